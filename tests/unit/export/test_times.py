"""`--times`, read back by libraries for subtitles and for Praat's TextGrids."""

import json
from datetime import timedelta

import datasets
import pytest
import srt
import webdataset
import webvtt
from praatio import textgrid

from tests.product import manifest_rows
from tests.unit.export.runs import finished_run
from voicegen.cli import main
from voicegen.errors import ConfigError, InputError
from voicegen.export.times import times_file
from voicegen.job.exporting import export_run


def words(*spoken):
    return [{"word": word, "start": start, "end": end} for word, start, end in spoken]


TALK = words(
    ("It", 0.1, 0.25), ("is", 0.25, 0.4), ("<late>.", 0.4, 0.9),
    ("Is", 1.0, 1.1), ("\"that\"", 1.1, 1.1), ("so?", 1.4, 1.8), ("Yes,", 2.0, 2.2), ("well", 3.0, 3.0),
)  # fmt: skip
CUES = [("It is <late>.", 0.1, 0.9), ('Is "that" so?', 1.0, 1.8), ("Yes,", 2.0, 2.2), ("well", 3.0, 3.001)]


def written(form, spoken=TALK, duration=3.5):
    return times_file(spoken, duration, form).data.decode()


def test_subtitles_hold_a_sentence_each_and_end_where_it_pauses():
    cues = list(srt.parse(written("srt")))
    found = [(cue.content, cue.start / timedelta(seconds=1), cue.end / timedelta(seconds=1)) for cue in cues]
    assert found == CUES


def test_subtitles_of_a_long_sentence_are_lines_of_42_characters_at_the_most():
    long = words(*((f"word{n}", n / 2, n / 2 + 0.4) for n in range(8000)))
    cues = list(srt.parse(written("srt", long, 4000.0)))
    assert max(len(cue.content) for cue in cues) <= 42
    assert " ".join(cue.content for cue in cues) == " ".join(word["word"] for word in long)
    assert cues[-1].end == timedelta(seconds=3999.9)


def test_webvtt_has_the_same_cues_and_the_time_of_each_word_in_them(tmp_path):
    (tmp_path / "a.vtt").write_text(written("vtt"), "utf-8")
    found = webvtt.read(tmp_path / "a.vtt")
    assert [(cue.start, cue.end) for cue in found] == [
        (f"00:00:0{start:.3f}", f"00:00:0{end:.3f}") for _, start, end in CUES
    ]
    assert found[0].raw_text == "It <00:00:00.250>is <00:00:00.400>&lt;late&gt;."
    assert found[1].raw_text == 'Is <00:00:01.100>"that" <00:00:01.400>so?'


def test_a_textgrid_fills_the_whole_audio_with_words_and_what_is_between_them(tmp_path):
    (tmp_path / "a.TextGrid").write_text(written("textgrid"), "utf-8")
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=True)
    entries = grid.getTier("words").entries
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 3.5)
    assert [entry.label for entry in entries if entry.label] == [word["word"] for word in TALK]
    assert [entry.start for entry in entries][1:] == [entry.end for entry in entries][:-1]
    assert all(entry.end > entry.start for entry in entries)
    assert [(entry.start, entry.end) for entry in entries if entry.label == "so?"] == [(1.4, 1.8)]


def test_json_has_the_words_as_the_manifest_has_them():
    assert json.loads(written("json")) == {"duration": 3.5, "words": TALK}


@pytest.mark.parametrize("form", ["srt", "vtt", "textgrid", "json"])
def test_times_lie_beside_the_audio_and_datasets_load_as_without(tmp_path, capsys, form):
    run, place = finished_run(tmp_path / "run", words=True), tmp_path / "out"
    assert main(["export", str(run), "--to", "audiofolder", str(place), "--times", form]) == 0
    names = {path.relative_to(place).as_posix().split(".", 1)[0] for path in place.rglob("0000/*.wav")}
    suffix = {"textgrid": "TextGrid", "json": "words.json"}.get(form, form)
    for name, row in zip(sorted(names), manifest_rows(run), strict=True):
        said = (place / f"{name}.{suffix}").read_text("utf-8")
        assert all(word["word"] in said for word in row["words"])
    loaded = datasets.load_dataset("audiofolder", data_dir=str(place), cache_dir=str(tmp_path / "cache"))
    assert len(loaded["train"]) == 5


def test_times_are_a_file_more_of_each_sample_in_webdataset(tmp_path):
    export_run(finished_run(tmp_path / "run", words=True), "webdataset", tmp_path / "out", times="json")
    samples = list(webdataset.WebDataset(str(tmp_path / "out/train-000000.tar"), shardshuffle=False))
    assert {"wav", "json", "words.json"} <= samples[0].keys()
    assert json.loads(samples[2]["words.json"])["words"] == json.loads(samples[2]["json"])["words"]


def test_a_run_that_no_recognizer_heard_has_no_times(tmp_path):
    with pytest.raises(InputError, match=r"no row has the times of its words.*quality=strict"):
        export_run(finished_run(tmp_path / "run"), "nemo", tmp_path / "out", times="srt")
    assert not (tmp_path / "out").exists()


def test_a_format_that_has_no_files_beside_its_audio_says_so(tmp_path):
    with pytest.raises(ConfigError, match="--to lhotse-shar has no files beside its audio"):
        export_run(finished_run(tmp_path / "run", words=True), "lhotse-shar", tmp_path / "out", times="srt")
