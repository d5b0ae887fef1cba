import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from voicegen.voicechat.completion import CommandCompleter


def completed(line: str) -> list[str]:
    """The line as each completion would make it."""
    found = CommandCompleter().get_completions(Document(line), CompleteEvent(completion_requested=True))
    return [line[: len(line) + entry.start_position] + entry.text for entry in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [("/h", ["/help", "/history"]), ("/SA", ["/save"]), ("hel", []), ("", []), ("what is /h", []), ("/voice a", [])],
)
def test_commands_are_completed_and_questions_are_not(line: str, expected: list[str]) -> None:
    assert completed(line) == expected


def test_a_file_is_completed_where_a_command_takes_one(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two words.jsonl").touch()
    (tmp_path / "folder").mkdir()
    assert completed("/save two") == ["/save two words.jsonl"]
    assert completed("/save two wo") == ["/save two words.jsonl"]
    assert completed("/save fo") == ["/save folder"]
    assert completed("/system tw") == []
