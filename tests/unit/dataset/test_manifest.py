from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.finished_rows import FinishedRows, failed_row, spoken_row
from tests.question_files import jsonl_file, parquet_file, text_file
from voicegen.dataset import manifest
from voicegen.dataset.manifest import MANIFEST_SCHEMA, Provenance, manifest_rows, write_manifest
from voicegen.dataset.manifest_schema import WORDS, input_names
from voicegen.dataset.questions import QuestionFile
from voicegen.errors import InputError, OutputError
from voicegen.quality.checks import MEASUREMENTS
from voicegen.quality.finishing import DONE
from voicegen.records import ManifestRow, TakeRecord
from voicegen.store import Store

PROVENANCE = Provenance("chat/model", "r1", "tts/model", None, "en", "abc", "apache-2.0", "cc0-1.0")

QUESTION_COLUMNS = [
    "question_spoken", "question_left_out", "question_audio_path", "question_audio_offset", "question_audio_size",
    "question_duration", "question_num_samples",
    "question_audio_sha256", "question_audio_samples_sha256", "question_voice", "question_voice_licence",
    "question_voice_consent", "question_status", "question_takes", "question_words", "question_measures",
]  # fmt: skip

DESIGN_COLUMNS = [
    "id", "index", "split", "conversation_id", "turn",
    "question", "question_duplicate_of", "question_similarity", "passages",
    "answer", "answer_duplicate_of", "answer_similarity", "answer_spoken", "rewritten", "answer_cut", "left_out",
    "audio_path", "audio_offset", "audio_size", "duration", "sampling_rate", "num_samples", "audio_sha256",
    "audio_samples_sha256", "voice", "language", "status", "error", "finish_reason", "attempts", "takes", "mark",
    *QUESTION_COLUMNS,
    "chat_model", "chat_revision", "chat_licence", "tts_model", "tts_revision", "tts_licence",
    "voice_licence", "voice_consent", "seed", "config_hash", "source_run", "source_index",
    "prompt_tokens", "completion_tokens", "chat_seconds", "tts_seconds",
]  # fmt: skip

QUALITY_COLUMNS = {"peak", *(measurement.name for measurement in (*MEASUREMENTS, *DONE))}


@dataclass(frozen=True)
class Naming:
    answers_per_question: int

    def row_id(self, question_id, number):
        return f"{question_id}-{number}"


def written(tmp_path, questions, rows, provenance=PROVENANCE, **options):
    path = tmp_path / "run/manifest.parquet"
    file = questions if isinstance(questions, QuestionFile) else QuestionFile(questions)
    count = write_manifest(Store(path.parent), file, FinishedRows(rows), provenance, **options)
    table = pq.read_table(path)
    assert table.num_rows == count == manifest_rows(Store(path.parent))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["README.md", path.name]
    return table


def questions_csv(tmp_path, count):
    return text_file(tmp_path / "q.csv", "question\n" + "".join(f"Number {number}?\n" for number in range(count)))


def test_a_finished_row_says_all_that_is_known_of_it(tmp_path):
    path = text_file(tmp_path / "q.csv", "id,c,t,question,category\nq0,x,4,Who?,people\n")
    file = QuestionFile(path, conversation_column="c", turn_column="t")
    [row] = written(tmp_path, file, [spoken_row(0, scores={"clipped": 0.1})]).to_pylist()
    assert row == {
        "id": "q0", "index": 0, "split": "train", "conversation_id": "x", "turn": 4,
        "question": "Who?", "question_duplicate_of": None, "question_similarity": None, "passages": None,
        "answer": "Answer **0**.", "answer_duplicate_of": None, "answer_similarity": None, "reasoning": None,
        "answer_spoken": "Answer 0.", "left_out": [],
        "audio_path": "audio/000000.wav", "audio_offset": None, "audio_size": None,
        "duration": 0.5, "sampling_rate": 22050, "num_samples": 11025,
        "audio_sha256": "0" * 64, "audio_samples_sha256": None, "voice": "joe", "language": "en",
        "status": "ok", "error": None, "finish_reason": "stop", "attempts": 1, "takes": [], "mark": None,
        **dict.fromkeys([*QUALITY_COLUMNS, *QUESTION_COLUMNS]), "peak": -3.0, "clipped": 0.1,
        "chat_model": "chat/model", "chat_revision": "r1", "tts_model": "tts/model", "tts_revision": None,
        "chat_licence": "apache-2.0", "tts_licence": "cc0-1.0", "voice_licence": "cc0-1.0", "voice_consent": None,
        "rewritten": False, "answer_cut": False, "seed": 100, "config_hash": "abc",
        "source_run": None, "source_index": None,
        "prompt_tokens": 20, "completion_tokens": 30, "chat_seconds": 0.5, "tts_seconds": 0.25,
        "category": "people",
    }  # fmt: skip


def test_every_column_of_the_design_is_there_and_documented(tmp_path):
    others = {"reasoning", *QUALITY_COLUMNS}
    assert [name for name in MANIFEST_SCHEMA.names if name not in others] == DESIGN_COLUMNS
    assert set(MANIFEST_SCHEMA.names) == {*DESIGN_COLUMNS, *others}
    path = text_file(tmp_path / "q.csv", "question,category\nWho?,people\n")
    schema = written(tmp_path, path, [spoken_row(0)]).schema
    assert all(field.metadata[b"description"].endswith(b".") for field in schema)
    assert schema.field("category").metadata[b"description"] == b"Column 'category' of the input."


def test_a_failed_row_stays_with_its_error_and_its_question(tmp_path):
    path = jsonl_file(tmp_path / "q.jsonl", [{"id": "a", "question": 42}, {"id": "b", "question": "Who?"}])
    failed, spoken = written(tmp_path, path, [failed_row(0), spoken_row(1)]).to_pylist()
    assert (failed["id"], failed["status"], failed["question"]) == ("a", "failed", "42")
    assert failed["error"] == "input: column 'question' is empty"
    assert {failed[name] for name in ("answer", "audio_path", "duration", "peak", "prompt_tokens")} == {None}
    assert (spoken["id"], spoken["status"], spoken["index"]) == ("b", "ok", 1)


def test_a_row_that_failed_before_its_ready_answer_was_used_still_shows_it(tmp_path):
    file = QuestionFile(text_file(tmp_path / "q.csv", "question,a\n,Me.\nWhy?,So.\n"), answer_column="a")
    table = written(tmp_path, file, [failed_row(0), spoken_row(1, answer="So.")])
    assert table.column("answer").to_pylist() == ["Me.", "So."]


def test_words_are_a_list_of_what_is_said_and_when(tmp_path):
    words = '[["It", 0.1, 0.25], ["is.", 0.25, 0.5]]'
    table = written(tmp_path, questions_csv(tmp_path, 2), [spoken_row(0, scores={"words": words}), spoken_row(1)])
    assert table.column("words").to_pylist() == [
        [{"word": "It", "start": 0.1, "end": 0.25}, {"word": "is.", "start": 0.25, "end": 0.5}],
        None,
    ]


def test_every_measurement_of_every_check_is_a_column_that_is_null_where_it_was_not_made(tmp_path):
    rows = [spoken_row(0, scores={"clipped": 0.25, "dc": None}), spoken_row(1)]
    table = written(tmp_path, questions_csv(tmp_path, 2), rows)
    assert table.column("clipped").to_pylist() == [0.25, None]
    for measurement in MEASUREMENTS:
        field = table.schema.field(measurement.name)
        assert field.type == {float: pa.float64(), str: pa.string(), list: WORDS}[measurement.type]
        assert table.column(measurement.name)[1].as_py() is None


def test_all_takes_of_a_row_are_told_in_order(tmp_path):
    takes = (TakeRecord(1, 100, "rejected", 2.5, "it is clipped"), TakeRecord(2, 7, "ok"))
    rows = [spoken_row(0), spoken_row(1, attempts=2, takes=takes), failed_row(2), spoken_row(3, takes=takes[1:])]
    assert written(tmp_path, questions_csv(tmp_path, 4), rows).column("takes").to_pylist() == [
        [],
        [
            {"attempt": 1, "seed": 100, "status": "rejected", "excess": 2.5, "reason": "it is clipped"},
            {"attempt": 2, "seed": 7, "status": "ok", "excess": 0.0, "reason": None},
        ],
        [],
        [{"attempt": 2, "seed": 7, "status": "ok", "excess": 0.0, "reason": None}],
    ]


@pytest.mark.parametrize("finished", [[], [0], [6000], [5, 2047, 2048, 2049, 4095, 4096, 6999], range(0, 7000, 3)])
def test_only_finished_rows_appear_and_in_input_order(tmp_path, finished):
    rows = [spoken_row(index) for index in reversed(finished)]
    table = written(tmp_path, questions_csv(tmp_path, 7000), rows)
    assert table.column("index").to_pylist() == list(finished)
    assert table.column("question").to_pylist() == [f"Number {index}?" for index in finished]
    assert table.column("audio_path").to_pylist() == [f"audio/{index:06d}.wav" for index in finished]


def test_several_answers_to_a_question_are_rows_of_their_own(tmp_path):
    path = text_file(tmp_path / "q.csv", "id,question,category\na,Who?,x\nb,Why?,y\nc,How?,z\n")
    rows = [spoken_row(index) for index in (0, 1, 3, 5)]
    table = written(tmp_path, path, rows, naming=Naming(2))
    assert table.select(["index", "id", "question", "category"]).to_pydict() == {
        "index": [0, 1, 3, 5],
        "id": ["a-0", "a-1", "b-1", "c-1"],
        "question": ["Who?", "Who?", "Why?", "How?"],
        "category": ["x", "x", "y", "z"],
    }


def test_an_input_column_named_as_one_of_ours_gets_a_suffix_in_any_case(tmp_path):
    path = text_file(tmp_path / "q.csv", "key,ID,question,Answer,answer_input,seed\nk,7,Who?,Me.,x,9\n")
    table = written(tmp_path, QuestionFile(path, id_column="key"), [spoken_row(0)])
    assert table.schema.names[len(MANIFEST_SCHEMA) :] == [
        "ID_input",
        "Answer_input",
        "answer_input_input",
        "seed_input",
    ]
    assert table.select(["id", "ID_input", "Answer_input", "seed_input"]).to_pylist() == [
        {"id": "k", "ID_input": "7", "Answer_input": "Me.", "seed_input": "9"}
    ]


def test_input_columns_named_as_ours_are_not_mistaken_for_them(tmp_path):
    names = ["index", "conversation_id", "turn", "answer", "status"]
    path = text_file(
        tmp_path / "q.csv", f"question,{','.join(names)}\nWho?,{','.join(name.upper() for name in names)}\n"
    )
    [row] = written(tmp_path, path, [spoken_row(0)]).to_pylist()
    assert [row[f"{name}_input"] for name in names] == [name.upper() for name in names]
    assert [row[name] for name in names] == [0, None, None, "Answer **0**.", "ok"]


def test_names_in_the_manifest_are_unique_without_regard_to_case():
    names = input_names(["seed", "SEED", "Seed", "seed_input2", "a", "A"])
    assert names == ["seed_input", "SEED_input2", "Seed_input3", "seed_input2_input", "a", "A_input"]
    assert len({name.casefold() for name in [*names, *MANIFEST_SCHEMA.names]}) == len(names) + len(MANIFEST_SCHEMA)


def test_columns_of_a_parquet_input_keep_their_types(tmp_path):
    inputs = pa.table(
        {
            "question": ["Who?", "Why?"],
            "when": pa.array([1, 2], pa.timestamp("us", tz="UTC")),
            "tags": pa.array([["x"], None]),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
        }
    )
    table = written(tmp_path, parquet_file(tmp_path / "q.parquet", inputs), [spoken_row(1)])
    assert table.select(["when", "tags", "kind"]).to_pylist() == inputs.slice(1).drop_columns("question").to_pylist()
    assert [table.schema.field(name).type for name in ("when", "tags", "kind")] == inputs.schema.types[1:]


def test_views_of_a_parquet_input_are_plain_texts_and_bytes(tmp_path):
    view = pa.string_view()
    inputs = pa.table(
        {
            "question": pa.array(["Who?", "Why?"], view),
            "raw": pa.array([b"x", None], pa.binary_view()),
            "pair": pa.array([{"list_view": "v"}, None], pa.struct([("list_view", view)])),
            "tags": pa.array([["x"], []], pa.list_(view)),
            "map": pa.array([[("x", "y")], []], pa.map_(view, view)),
            "two": pa.array([["x"], ["y"]], pa.list_(view, 1)),
        }
    )
    table = written(tmp_path, parquet_file(tmp_path / "q.parquet", inputs), [spoken_row(1)])
    assert table.select(inputs.column_names).to_pylist() == inputs.slice(1).to_pylist()
    assert "string_view" not in str([table.schema.field(name).type for name in inputs.column_names])
    assert table.schema.field("raw").type == pa.large_binary()


def test_a_manifest_of_many_rows_is_written_in_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "ROW_GROUP_ROWS", 4096)
    written(tmp_path, questions_csv(tmp_path, 10_000), [failed_row(index) for index in range(10_000)])
    assert pq.ParquetFile(tmp_path / "run/manifest.parquet").num_row_groups == 3


def test_a_manifest_can_be_read_while_the_next_one_is_written(tmp_path):
    store = Store(tmp_path)
    file = QuestionFile(questions_csv(tmp_path, 5000))

    class Watching(FinishedRows):
        def get(self, indexes):
            seen.append(manifest_rows(store))
            return super().get(indexes)

    seen: list[int] = []
    write_manifest(store, file, FinishedRows([spoken_row(0)]), PROVENANCE)
    write_manifest(store, file, Watching(spoken_row(index) for index in range(5000)), PROVENANCE)
    assert set(seen) == {1}
    assert manifest_rows(store) == 5000


def test_an_error_on_the_way_leaves_the_old_manifest_and_nothing_else(tmp_path):
    store = Store(tmp_path / "run")
    file = QuestionFile(questions_csv(tmp_path, 5000))
    write_manifest(store, file, FinishedRows([spoken_row(0)]), PROVENANCE)

    class Breaking(FinishedRows):
        def get(self, indexes):
            if 4999 in indexes:
                raise OSError(28, "No space left on device")
            return super().get(indexes)

    with pytest.raises(OutputError, match="free some space"):
        write_manifest(store, file, Breaking(spoken_row(index) for index in range(5000)), PROVENANCE)
    assert manifest_rows(store) == 1
    assert store.names() == ["README.md", "manifest.parquet"]
    assert len(list(store.root.iterdir())) == 2


def test_a_card_that_its_owner_has_written_on_stays(tmp_path):
    card = text_file(tmp_path / "README.md", "My dataset.")
    write_manifest(Store(tmp_path), QuestionFile(questions_csv(tmp_path, 1)), FinishedRows([spoken_row(0)]), PROVENANCE)
    assert card.read_text() == "My dataset."


def test_a_place_that_cannot_be_written_is_told_in_one_line(tmp_path):
    blocked = Store(text_file(tmp_path / "file", "x"))
    with pytest.raises(OutputError, match="cannot write"):
        write_manifest(blocked, QuestionFile(questions_csv(tmp_path, 1)), FinishedRows([]), PROVENANCE)


def test_an_input_that_changed_is_not_joined_with_rows_of_the_old_one(tmp_path):
    file = QuestionFile(questions_csv(tmp_path, 3))
    file.inspect()
    text_file(tmp_path / "q.csv", "question\nOther?\n")
    with pytest.raises(InputError, match="changed"):
        write_manifest(Store(tmp_path), file, FinishedRows([spoken_row(0)]), PROVENANCE)
    assert not (tmp_path / "manifest.parquet").exists()


def test_a_manifest_that_is_missing_or_torn_counts_as_none(tmp_path):
    assert manifest_rows(Store(tmp_path)) is None
    text_file(tmp_path / "manifest.parquet", "PAR1")
    assert manifest_rows(Store(tmp_path)) is None


def test_what_a_model_wrote_that_is_no_valid_unicode_does_not_stop_the_manifest(tmp_path):
    rows = [spoken_row(0, answer="half \ud83d", reasoning="x\udc00")]
    table = written(tmp_path, questions_csv(tmp_path, 1), rows)
    assert table.column("answer").to_pylist() == ["half \ufffd"]
    assert table.column("reasoning").to_pylist() == ["x\ufffd"]


def test_provenance_comes_from_the_models_that_the_run_remembers():
    models = {"chat": {"id": "a", "backend": "mlx", "revision": "1", "licence": None}, "tts": {"id": "b"}}
    assert Provenance.of(models, "h", "en") == Provenance("a", "1", "b", None, "en", "h")
    assert Provenance.of({}, "h") == Provenance(config_hash="h")
    models = {"chat": {"id": "a", "licence": "mit"}, "tts": {"id": "b", "licence": "cc0-1.0"}}
    made = Provenance.of(models, "h")
    assert (made.chat_licence, made.tts_licence) == ("mit", "cc0-1.0")


def test_a_voice_of_ones_own_has_its_consent_and_not_the_models_licence(tmp_path):
    consents = {"ann": "signed, 2026-03-01", "bob": None}
    provenance = replace(PROVENANCE, consents=consents)
    rows = [*(spoken_row(place, voice=voice) for place, voice in enumerate(("ann", "bob", "joe"))), failed_row(3)]
    table = written(tmp_path, questions_csv(tmp_path, 4), rows, provenance)
    assert table.column("voice_consent").to_pylist() == ["signed, 2026-03-01", None, None, None]
    assert table.column("voice_licence").to_pylist() == [None, None, "cc0-1.0", None]


def test_a_row_keeps_what_its_ledger_line_says_of_it(tmp_path):
    row = ManifestRow(0, "rejected", seed=2**31 - 1, error="the take did not stop", finish_reason="runaway", attempts=3)
    [found] = written(tmp_path, questions_csv(tmp_path, 1), [row]).to_pylist()
    assert (found["status"], found["attempts"], found["finish_reason"], found["seed"]) == (
        "rejected", 3, "runaway", 2**31 - 1
    )  # fmt: skip
