from importlib import import_module

import pytest

from voicegen.cli import COMMANDS, main
from voicegen.commands.flags import read_words, refuse_words
from voicegen.errors import ConfigError

COMMON = ("--config-dir", "--config-name", "--cfg", "--resolve", "--multirun", "-sc")


def test_words_are_sorted_whatever_their_order():
    line = read_words(
        ["a=1", "--text", "x=y", "file", "--cfg", "job", "b=2", "--loud", "-m"], values=["--text"], switches=["--loud"]
    )
    assert (line.values, line.switches, line.words) == ({"--text": "x=y"}, {"--loud"}, ("file",))
    assert (line.config.overrides, line.config.show, line.config.multirun) == (("a=1", "b=2"), True, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--colum", "a"], "there is no flag --colum: did you mean --column?"),
        (["--quite-another"], "there is no flag --quite-another: see --help"),
        (["--column"], "argument --column: it needs a value after it"),
        (["--resolve=1"], "argument --resolve: it takes no value"),
        (["--preset", "fake"], "there is no flag --preset: write preset=fake"),
        (["--chat=echo"], "there is no flag --chat: write chat=echo"),
        (["--name", "my run"], "there is no flag --name: write 'name=my run'"),
        (["--seed"], "there is no flag --seed: write seed=..."),
        (["--output-dir", "--other"], "there is no flag --output-dir: write output_dir=..."),
        (["--questions.limit", "2"], "write questions.limit=2"),
        (["--limit", "2"], "write questions.limit=2"),
        (["--max-tokens", "2"], "write chat.max_tokens=2 or tts.max_tokens=2"),
        (["preset=", "fake"], "fake stands alone: write KEY=VALUE without spaces"),
        (["preset", "=", "fake"], "preset stands alone: write KEY=VALUE without spaces"),
        (["--cfg", "a=b"], "argument --cfg/-c: invalid choice"),
        (["hello", "there"], "hello is not KEY=VALUE"),
    ],
)
def test_every_mistake_is_one_line_that_says_what_to_do(words, message):
    with pytest.raises(ConfigError) as refused:
        refuse_words(read_words(words, values=["--column"]))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_names_all_its_flags(name, capsys):
    command = import_module(f"voicegen.commands.{name}")
    assert main([name, "a=b", "--help"]) == 0
    text = capsys.readouterr().out
    common = () if name in ("diff", "doctor", "export", "index", "merge", "push", "report", "verify") else COMMON
    flags = (
        *getattr(command, "VALUES", ()),
        *getattr(command, "OPTIONAL", ()),
        *getattr(command, "SWITCHES", ()),
        *common,
    )
    assert [flag for flag in flags if flag not in text] == []
    assert text.startswith(f"usage: voicegen {name}")
    assert len(text.splitlines()) <= 45
    assert all(len(line) <= 120 for line in text.splitlines())


def test_doctor_takes_no_words(capsys):
    assert main(["doctor", "a=b"]) == 2
    assert "doctor looks at the machine and takes no words: leave out a=b" in capsys.readouterr().err
