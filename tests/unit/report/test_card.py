"""The dataset card of a run and of each export: valid for the hub, true, and its code runs as it stands there."""

import inspect
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from itertools import product

import datasets
import pyarrow as pa
import pytest
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard, DatasetCardData

import voicegen
from tests.finished_rows import failed_row
from tests.product import manifest_rows, questions_csv
from tests.unit.export.runs import MADE_BY, finished_run
from voicegen.dataset.manifest_edit import put_outcomes
from voicegen.dataset.splits import SPLITS, Shares
from voicegen.export.choice import Selection
from voicegen.export.formats import EXPORTERS
from voicegen.job.exporting import export_run
from voicegen.report.card import write_run_card
from voicegen.report.card_facts import card_facts
from voicegen.report.card_provenance import provenance
from voicegen.store import Store

RECORD = {
    "format": 1,
    "voicegen": "0.2.0",
    "created": "2026-05-06T07:08:09+00:00",
    "identity": {
        "chat.model": "/home/me/models/chatty",
        "tts.model": "joe",
        "chat.system_prompt": "Be <b>brief</b>.\n```\nno code\n```",
        "quality.checks.recognition.recognizer": "whisper-base",
        "voice.prompts": {"me": {"audio": "abc"}},
    },
    "models": {
        "chat": {"id": "/home/me/models/chatty", "backend": "mlx", "revision": "r1", "licence": "apache-2.0"},
        "tts": {"id": "joe", "backend": "piper", "revision": "r2", "licence": "cc0-1.0"},
    },
    "split": {"validation": 0.1, "test": 0.1, "near": True},
}


def recorded_run(folder, **options):
    run = finished_run(folder, **options)
    (run / "run.json").write_text(json.dumps(RECORD))
    return run


def card_of(folder):
    return (folder / "README.md").read_text("utf-8")


def run_code(folder, monkeypatch, tmp_path):
    """Runs the card's Python blocks where its folder lies; returns the names of the last."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(folder.parent)
    found = [{}]
    for block in re.findall(r"```python\n(.*?)```", card_of(folder), flags=re.DOTALL):
        found.append({})
        exec(compile(block, "README.md", "exec"), found[-1])
    return found[1:]


def test_the_card_of_a_run_says_what_is_in_it_what_made_it_and_that_it_is_synthetic(tmp_path):
    run = recorded_run(tmp_path / "talks", statuses=["ok", "ok", "rejected", "failed"])
    assert write_run_card(Store(run))
    text = card_of(run)
    data = DatasetCard(text).data.to_dict()
    assert data["language"] == ["en"]
    assert data["license"] == "unknown"
    assert data["size_categories"] == ["n<1K"]
    [config] = data["configs"]
    assert (config["config_name"], config["data_files"]) == ("default", "manifest.parquet")
    assert "synthetic" in data["tags"]
    assert "text-to-speech" in data["task_categories"]
    assert "**synthetic speech**" in text
    assert "No person said any of this" in text
    assert "| train | 2 | 1 | 1 | 0.00 |" in text
    assert "ann (2)" in text
    assert "| answered | chatty | r1 | mlx |" in text
    assert "| spoke | joe | r2 | piper |" in text
    assert "voicegen 0.2.0, begun on 2026-05-06" in text
    assert "The recognizer is whisper-base" in text
    assert "The voices me copy recordings" in text
    assert "an estimated similarity of 0.8" in text
    assert "| Duration (s) | 2 |" in text


@pytest.fixture
def consented_run(tmp_path):
    """A run in which ann and bob are recordings' voices, of which bob alone is known to have agreed."""
    made_by = replace(
        MADE_BY,
        chat_model="/home/me/models/chatty",
        chat_licence="apache-2.0",
        tts_licence="cc0-1.0",
        consents={"ann": None, "bob": "Signed | by Bob\non <paper>"},
    )
    run = recorded_run(tmp_path / "talks", statuses=["ok"] * 4, provenance=made_by)
    voices = {name: {"consent": consent} for name, consent in made_by.consents.items()}
    (run / "run.json").write_text(json.dumps({**RECORD, "provenance": {"synthetic": True, "voices": voices}}))
    return run


@pytest.mark.parametrize("exported", [False, True])
def test_a_card_says_under_which_licences_and_with_whose_consent_it_was_made(tmp_path, consented_run, exported):
    if exported:
        export_run(consented_run, "hf", tmp_path / "out")
    else:
        write_run_card(Store(consented_run))
    text = card_of(tmp_path / "out" if exported else consented_run)
    assert "| chat model | chatty | apache-2.0 |  |" in text
    assert "| TTS model | tts | cc0-1.0 |  |" in text
    assert "| a recording's voice | ann |  | none was noted |" in text
    assert "| a recording's voice | bob |  | Signed / by Bob on &lt;paper> |" in text
    assert "voices of the TTS model" not in text
    assert "Regulation (EU) 2024/1689" in text
    assert "This is no legal advice" in text


def test_a_card_names_the_consent_of_voices_that_are_in_it_alone(tmp_path, consented_run):
    export_run(consented_run, "hf", tmp_path / "out", Selection(where="voice = 'bob'"))
    assert "Signed / by Bob" in card_of(tmp_path / "out")
    assert "| ann |" not in card_of(tmp_path / "out")


def test_a_card_of_a_run_that_knows_no_licence_says_so(tmp_path):
    run = finished_run(tmp_path / "talks")
    write_run_card(Store(run))
    assert "| chat model | chat | not known |  |" in card_of(run)
    assert "| voices of the TTS model | ann, bob | not known |  |" in card_of(run)


def test_a_card_names_the_voices_that_speak_questions_too():
    row = {"split": "train", "status": "ok", "duration": None, "voice": None, "tts_model": "tts", "tts_licence": "mit"}
    asked = [
        {**row, "question_duration": 1.0, "question_voice": voice, "question_voice_consent": consent}
        for voice, consent in (("carl", None), ("dora", "by letter"), (None, None))
    ]
    facts = card_facts(
        [pa.RecordBatch.from_pylist([*asked, {**row, "question_duration": None, "question_voice": "eve"}])]
    )
    text = "\n".join(provenance(list(facts.made_by), {}))
    assert "| voices of the TTS model | carl, its only one | mit |  |" in text
    assert "| a recording's voice | dora |  | by letter |" in text
    assert "eve" not in text


def test_the_metadata_of_a_card_has_no_key_that_the_hub_does_not_know(tmp_path):
    run = recorded_run(tmp_path / "talks")
    write_run_card(Store(run))
    export_run(run, "hf", tmp_path / "out")
    known = inspect.signature(DatasetCardData.__init__).parameters
    for folder, configs in ((run, {"default"}), (tmp_path / "out", set())):
        metadata = DatasetCard(card_of(folder)).data.to_dict()
        assert metadata.keys() <= known.keys() | {"tags", "configs"}
        assert MetadataConfigs.from_dataset_card_data(DatasetCardData(**metadata)).keys() == configs


def test_a_card_tells_nothing_of_the_machine_and_no_text_of_the_settings_ends_its_block(tmp_path):
    run = recorded_run(tmp_path / "talks")
    write_run_card(Store(run))
    text = card_of(run)
    assert "/home/me" not in text
    assert str(tmp_path) not in text
    [settings] = re.findall(r"```json\n(.*?)\n```", text, flags=re.DOTALL)
    assert json.loads(settings)["chat.model"] == "chatty"
    assert settings.count("```") == 0


def test_the_code_on_the_card_of_a_run_loads_it(tmp_path, monkeypatch):
    run = recorded_run(tmp_path / "talks", statuses=["ok", "rejected", "ok", "failed"])
    write_run_card(Store(run))
    ours, theirs = run_code(run, monkeypatch, tmp_path)
    assert [row.row["id"] for row in ours["dataset"]] == ["q0", "q2"]
    assert list(theirs["rows"]["id"]) == ["q0", "q2"]
    assert len(theirs["samples"]) == theirs["rows"][0]["num_samples"]
    assert theirs["rate"] == 22_050


@pytest.mark.parametrize("name", EXPORTERS)
def test_the_code_on_the_card_of_an_export_loads_it(tmp_path, monkeypatch, name):
    spec = EXPORTERS[name]
    run = recorded_run(tmp_path / "talks", words=spec.words, asked=spec.pairs)
    export_run(run, name, tmp_path / "out")
    data = DatasetCard(card_of(tmp_path / "out")).data.to_dict()
    assert data["pretty_name"] == "talks"
    found = run_code(tmp_path / "out", monkeypatch, tmp_path)
    loaded = found[0]["dataset"]
    rows = loaded["train"] if isinstance(loaded, datasets.DatasetDict) else loaded
    assert (len(rows) if hasattr(rows, "num_rows") or name == "ljspeech" else len(list(rows))) == 5
    if name == "hf":
        assert len(found[1]["samples"]) == found[1]["rows"][0]["num_samples"]


def test_datasets_never_gives_the_rows_of_another_run_of_the_name_or_of_an_earlier_manifest(tmp_path):
    """Its cache goes by the folder's name and what the card says of how to read it."""

    def statuses(folder):
        return datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))["status"]

    for place, size in (("one", 3), ("two", 5)):
        run = tmp_path / place / "talks"
        run.mkdir(parents=True)
        for ended in (["ok"] * 2, ["ok"] * size, ["ok", "rejected"] * 2):
            recorded_run(run, statuses=ended)
            assert statuses(run) == ended  # a run that goes on, with a minimal card
        assert write_run_card(Store(run))
        assert statuses(run) == ended
        finished_run(run, statuses=["ok"] * size)
        assert statuses(run) == ["ok"] * size
        assert write_run_card(Store(run))  # another version of the data makes it no owner's
        (run / "README.md").write_text(card_of(run).replace("# talks", "# My talks"))
        put_outcomes(Store(run), {1: failed_row(1)})
        assert statuses(run) == ["ok", "failed", *["ok"] * (size - 2)]
        assert "# My talks" in card_of(run)
        for ended, form in product((["ok"] * size, ["ok", "rejected"] * 2), ("hf", "audiofolder")):
            export = tmp_path / place / form / "talks"
            shutil.rmtree(export, ignore_errors=True)
            export_run(recorded_run(run, statuses=ended), form, export, Selection(statuses=("ok", "rejected")))
            assert statuses(export) == ended


def test_datasets_finds_the_parts_of_an_export_by_the_names_of_its_files(tmp_path):
    run = recorded_run(tmp_path / "talks", statuses=["ok"] * 30, shares=Shares(0.3, 0.3))
    export_run(run, "hf", tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    parts = [row["split"] for row in manifest_rows(run)]
    assert {split: len(rows) for split, rows in loaded.items()} == Counter(parts)
    assert set(parts) == set(SPLITS)


def test_an_export_says_what_it_holds_and_not_what_the_run_does(tmp_path):
    run = recorded_run(tmp_path / "talks", statuses=["ok", "ok", "rejected", "failed"])
    export_run(run, "hf", tmp_path / "out", Selection(where="voice = 'ann'"))
    assert "| train | 1 | 0.00 |" in card_of(tmp_path / "out")


def test_a_card_that_its_owner_has_written_on_stays_and_one_of_ours_is_renewed(tmp_path):
    run = recorded_run(tmp_path / "talks")
    assert write_run_card(Store(run))
    finished_run(tmp_path / "talks", statuses=["ok"] * 6)
    assert write_run_card(Store(run))
    assert "| train | 6 |" in card_of(run)
    (run / "README.md").write_text(card_of(run).replace("# talks", "# My talks"))
    assert not write_run_card(Store(run))
    assert "# My talks" in card_of(run)


def test_a_run_ends_with_its_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    questions_csv(tmp_path / "q.csv", 10)
    words = ("preset=fake", "questions.path=q.csv", "name=r")
    voicegen.run(*words, "questions.limit=3")
    assert "| train | 3 |" in card_of(tmp_path / "outputs/r")
    voicegen.run(*words)
    assert "| train | 10 |" in card_of(tmp_path / "outputs/r")
    voicegen.run(*words, "split.test=0.5")
    assert "| test | " in card_of(tmp_path / "outputs/r")


@pytest.mark.parametrize(
    ("speak", "said"),
    [
        ("both", ["a text-to-speech model spoke the answers", "Its questions are spoken, too", "1.0 seconds more"]),
        ("question", ["a text-to-speech model spoke questions. No person"]),
    ],
)
def test_a_card_says_whether_questions_are_spoken(tmp_path, speak, said):
    run = finished_run(tmp_path / "talks", asked=True)
    identity = {**RECORD["identity"], "speak": speak, "voice.question.prompts": {"eve": {"audio": "abc"}}}
    (run / "run.json").write_text(json.dumps({**RECORD, "identity": identity}))
    write_run_card(Store(run))
    text = card_of(run)
    assert all(line in text for line in said)
    assert ("The answers are a model's" in text) == (speak == "both")
    assert "The voices me, eve copy recordings" in text
