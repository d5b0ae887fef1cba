import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import voicegen
from voicegen.audio.audio_file import read_audio
from voicegen.commands import synth
from voicegen.errors import ConfigError, InputError, ModelError, OutputError
from voicegen.tts.tone import ToneSpeech

FAKE = ("preset=fake", "tts.duration=0.05")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def speak(*words):
    return synth.main([*FAKE, *map(str, words)])


def metadata(folder="outputs/synth"):
    with (Path(folder) / "metadata.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def wavs(folder="outputs/synth"):
    return sorted(path.name for path in Path(folder).glob("*.wav"))


def standard_input(monkeypatch, data: bytes):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_each_line_of_a_text_file_is_spoken(capsys):
    Path("lines.txt").write_text("\ufeffFirst line.\n\n  Second **line**.  \r\n", encoding="utf-8")
    assert speak("lines.txt") == 0
    assert wavs() == ["000000.wav", "000001.wav"]
    assert [row["text"] for row in metadata()] == ["First line.", "Second **line**."]
    assert float(metadata()[0]["duration"]) == pytest.approx(0.05, abs=0.001)
    assert "2 spoken, 0 not" in capsys.readouterr().out


def test_paragraphs_can_be_spoken_instead(capsys):
    Path("book.txt").write_text("One,\ntwo.\n\n\nThree.\n", encoding="utf-8")
    assert speak("book.txt", "--paragraphs", "--prefix", "book") == 0
    assert [(row["file_name"], row["text"]) for row in metadata()] == [
        ("book_000000.wav", "One,\ntwo."),
        ("book_000001.wav", "Three."),
    ]


def test_what_is_in_the_folder_stays_there_if_the_model_cannot_be_had():
    assert speak("--text", "One.") == 0
    with pytest.raises(ModelError):
        synth.main(["tts=piper", "tts.model=nowhere/voice.onnx", "--text", "Two.", "overwrite=true"])
    assert [row["text"] for row in metadata()] == ["One."]
    assert [path.name for path in Path("outputs").iterdir()] == ["synth"]


def test_a_text_is_drawn_as_a_run_draws_the_row_of_the_same_place(capsys):
    Path("qa.csv").write_text("question,answer\nWho?,Nobody at all.\nWhere?,Over there.\n", encoding="utf-8")
    voice = ("voice.names=[a,b,c]", "voice.assign=random", "seed=3")
    assert speak("qa.csv", "--column", "answer", *voice) == 0
    voicegen.run(*FAKE, *voice, "questions.path=qa.csv", "questions.answer_column=answer", "name=r")
    for name in ("000000.wav", "000001.wav"):
        spoken, run = (soundfile.read(Path(folder, name))[0] for folder in ("outputs/synth", "outputs/r/audio"))
        np.testing.assert_array_equal(spoken, run)  # the files differ in whose they say they are


def test_a_column_of_a_table_is_spoken_and_bad_cells_are_reported(capsys):
    Path("table.csv").write_text("id,Text,line\na,Hello.,Bonjour.\nb,,Salut.\nc,...,Adieu.\n", encoding="utf-8")
    assert speak("table.csv") == 3
    assert wavs() == ["000000.wav"]
    assert [bool(row["error"]) for row in metadata()] == [False, True, True]
    assert "1 spoken, 2 not" in capsys.readouterr().out
    assert speak("table.csv", "--column", "line", "name=other") == 0
    assert [row["text"] for row in metadata("outputs/other")] == ["Bonjour.", "Salut.", "Adieu."]
    with pytest.raises(InputError, match=r"no column 'nothere'.*: set --column to one of them"):
        speak("table.csv", "--column", "nothere", "name=third")


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("q.CSV", "text,by\nHello.,a\n", ()),
        ("q.tab", "text\tby\nHello.\ta\n", ()),
        ("q.dat", "text,by\nHello.,a\n", ("questions.format=csv",)),
    ],
)
def test_a_table_is_known_by_every_name_that_a_run_knows(name, text, settings, capsys):
    Path(name).write_text(text, encoding="utf-8")
    assert speak(name, *settings) == 0
    assert [row["text"] for row in metadata()] == ["Hello."]


def test_standard_input_is_spoken(monkeypatch, capsys):
    standard_input(monkeypatch, b"From a pipe.\nAnd more.\n")
    assert speak("-", "questions.limit=1") == 0
    assert [row["text"] for row in metadata()] == ["From a pipe."]


def test_one_text_can_be_given_as_a_flag(capsys):
    assert speak("--text", "Commas, quotes' and = signs.", "tts.sample_rate=8000", "output_dir=here") == 0
    assert metadata("here")[0]["text"] == "Commas, quotes' and = signs."
    assert read_audio("here/000000.wav")[1] == 8000


def test_voices_take_turns_as_in_a_run(capsys):
    texts = "Same.\nSame.\nSame.\n"
    Path("lines.txt").write_text(texts, encoding="utf-8")
    assert speak("lines.txt", "voice.names=[a,b]", "voice.assign=round_robin") == 0


def test_a_folder_with_files_is_kept_or_moved_aside(capsys):
    assert speak("--text", "One.") == 0
    with pytest.raises(OutputError, match="there are files in outputs/synth already"):
        speak("--text", "Two.")
    assert speak("--text", "Two.", "overwrite=true") == 0
    assert metadata()[0]["text"] == "Two."
    assert len(list(Path("outputs").glob("synth.old-*"))) == 1


def test_no_chat_model_is_there_to_rewrite_a_text():
    with pytest.raises(ConfigError, match=r"text\.rewrite=chat is for `voicegen run`"):
        speak("--text", "Two.", "text.rewrite=chat")


def test_there_are_no_questions_to_speak_besides():
    with pytest.raises(ConfigError, match="speak=both is for `voicegen run`"):
        speak("--text", "Two.", "speak=both")


def test_input_that_cannot_be_used_is_one_clear_error(capsys):
    with pytest.raises(InputError, match=r"missing\.txt: there is no such file"):
        speak("missing.txt")
    Path("folder.txt").mkdir()
    with pytest.raises(InputError, match=r"no file of questions in the folder folder\.txt"):
        speak("folder.txt")
    Path("latin.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(InputError, match=r"latin\.txt: line 2 is not UTF-8"):
        speak("latin.txt")
    with pytest.raises(ConfigError, match="one text file at a time"):
        speak("a.txt", "b.txt")
    with pytest.raises(ConfigError, match="not both"):
        speak("a.txt", "--text", "Hello.")
    with pytest.raises(ConfigError, match=r"tts\.speed"):
        speak("--text", "Hello.", "tts.sped=2")


def test_several_tables_are_spoken_one_after_the_other():
    Path("d").mkdir()
    for name in ("a.csv", "d/b.csv"):
        Path(name).write_text(f"text\nThis is {name}.\n", "utf-8")
    assert speak("a.csv", "d") == 0
    assert [row["text"] for row in metadata()] == ["This is a.csv.", "This is d/b.csv."]
    assert speak("questions.path=*.csv", "name=b") == 0
    assert [row["text"] for row in metadata("outputs/b")] == ["This is a.csv."]


@pytest.mark.parametrize("prefix", ["../../x", "a/b", "a\\b", "a\0b"])
def test_a_prefix_that_leads_out_of_the_folder_is_refused(prefix):
    with pytest.raises(ConfigError, match=r"the prefix .* cannot begin a file's name"):
        speak("--text", "Hello.", "--prefix", prefix)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", ["empty.txt", "blank.txt", "header.csv", "-"])
def test_nothing_to_speak_is_one_clear_error_before_a_model_is_loaded(name, monkeypatch, capsys):
    Path("empty.txt").touch()
    Path("blank.txt").write_text("\n  \n")
    Path("header.csv").write_text("text\n")
    standard_input(monkeypatch, b"\n")
    with pytest.raises(InputError, match=f"{'standard input' if name == '-' else name}: there (is|are) no"):
        speak(name, "overwrite=true")
    assert "loading" not in capsys.readouterr().err
    assert not Path("outputs").exists()


def test_an_empty_text_in_a_flag_is_one_clear_error():
    with pytest.raises(InputError, match="--text: there is no text to speak"):
        speak("--text", " ")


def test_input_that_fails_before_a_text_is_spoken_leaves_the_folder_free(monkeypatch, capsys):
    class Eager(ToneSpeech):
        def speak(self, utterances):
            yield from super().speak(list(utterances))

    monkeypatch.setattr("voicegen.build.speech_model", lambda config: Eager())
    for data in (b"caf\xe9\n", b"fine\ncaf\xe9\n"):
        Path("lines.txt").write_bytes(data)
        with pytest.raises(InputError, match="is not UTF-8"):
            speak("lines.txt")
        assert not Path("outputs").exists()
    Path("lines.txt").write_bytes(b"fine\n")
    assert speak("lines.txt") == 0


def test_a_terminal_without_a_text_is_told_what_to_give(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(ConfigError, match="there is nothing to speak: give a file"):
        speak()


def test_the_words_of_hydras_flags_are_not_taken_for_files(capsys):
    assert speak("--text", "Hello.", "--cfg", "job") == 0
    assert "sample_rate:" in capsys.readouterr().out
    assert not Path("outputs").exists()
    Path("mine").mkdir()
    assert speak("--config-dir", "mine", "--text", "Hello.") == 0


def test_flags_files_and_settings_stand_in_any_order(capsys):
    Path("a=b.txt").write_text("One.\n")
    assert speak("name=größe", "--paragraphs", "a=b.txt", "--prefix", "p", "questions.limit=1") == 0
    assert [row["file_name"] for row in metadata("outputs/größe")] == ["p_000000.wav"]


def test_a_file_in_the_home_folder_is_found_and_a_url_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(Path.cwd()))
    Path("t.txt").write_text("One.\n")
    assert speak("~/t.txt") == 0
    with pytest.raises(ConfigError, match=r"https://example\.org/t\.txt is a URL"):
        speak("https://example.org/t.txt")
