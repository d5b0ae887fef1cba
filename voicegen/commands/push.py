"""`voicegen push`: a run on Hugging Face's hub."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from voicegen.commands import export_flags
from voicegen.commands.flags import print_lines, read_words, refuse_settings
from voicegen.errors import ConfigError
from voicegen.files import given_path

USAGE: Final = f"""\
usage: voicegen push RUN --to hf://datasets/OWNER/NAME [flags]

Uploads the rows of a run to a dataset on Hugging Face's hub, as `voicegen export --to hf` writes them, with a card. The
dataset is made where it is not there, private; what was pushed to it before is replaced, and one with other data is
refused. A card that is there stays as it is. After an interruption the same command sends what is missing.

The token is the one that `hf auth login` has kept, or HF_TOKEN. The export lies beside the run while it is uploaded.

flags
  --to ADDRESS         hf://datasets/OWNER/NAME, with @BRANCH for another branch than the main one
  --public             let everybody see it
{export_flags.HELP}
exit codes: 0 pushed; 1 an unexpected error; 2 bad usage, no run that can be read, or a hub that refuses or cannot be
reached; 130 interrupted
"""

VALUES = ("--to", *export_flags.VALUES)
SWITCHES = ("--public",)


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns its exit code."""
    line = read_words(argv, values=VALUES, switches=SWITCHES, is_word=lambda _word: True)
    refuse_settings(line, "push", "a run")
    if "--to" not in line.values:
        raise ConfigError("say where to push: --to hf://datasets/OWNER/NAME")
    if len(line.words) != 1:
        raise ConfigError("push takes the folder of one run, such as outputs/default")
    from voicegen.job.pushing import push_run

    run, chosen, wanted = given_path("RUN", line.words[0]), export_flags.selection(line), export_flags.wanted(line)
    public = "--public" in line.switches
    print_lines(push_run(run, line.values["--to"], chosen, wanted, public=public).lines())
    return 0
