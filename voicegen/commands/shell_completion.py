"""Shell completion: of the command's name by us, of settings by Hydra.

The script that `voicegen run -sc install=bash` prints asks `voicegen -sc query=bash`, with the line typed so far in
`COMP_LINE`. Hydra knows nothing of commands, so the command's name is taken out of that line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from voicegen.commands.flags import read_words
from voicegen.job.composing import launch

_FILES_ALONE = ("verify",)  # commands that take no settings


def main(argv: Sequence[str], commands: Iterable[str]) -> int:
    """Prints what may come next: one of `commands`, or what Hydra knows of the settings."""
    program, *words = os.environ.get("COMP_LINE", "voicegen ").split(" ")
    if len(words) <= 1:
        typed = words[0] if words else ""
        print(" ".join(name for name in commands if name.startswith(typed)))
        return 0
    if words[0] in _FILES_ALONE:
        return 0  # without an answer the shell offers files
    os.environ["COMP_LINE"] = " ".join([program, *words[1:]])
    return launch(read_words(argv).config, lambda _config: 0)
