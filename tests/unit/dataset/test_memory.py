"""Memory does not grow with the input. `tests/bench/input_scale.py` measures the same at 1,000,000 rows."""

import json
import tracemalloc

import pyarrow as pa
import pytest

from tests.finished_rows import EveryRow
from tests.question_files import jsonl_file, parquet_file, text_file
from voicegen.dataset import manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.store import Store

FEW, MANY = 5_000, 15_000
KEPT = 60  # bytes a row may add, at the most; a record that is kept takes 300
KEPT_OF_MANIFEST = 300  # what finds repeats has blocks to fill, of texts so alike; rows that are kept take 800


class EveryRowNoting(EveryRow):
    """Notes how much memory is held when rows are looked up: by then those before are to be gone."""

    held = 0

    def get(self, indexes):
        self.held = max(self.held, tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes())
        return super().get(indexes)


@pytest.fixture(params=["csv", "json", "jsonl", "parquet"])
def question_file(tmp_path, request):
    def write(rows):
        path = tmp_path / f"{rows}.{request.param}"
        texts = [f"What is the number {number:06d}?" for number in range(rows)]
        if request.param == "csv":
            return QuestionFile(text_file(path, "id,question\n" + "".join(f"q{n},{t}\n" for n, t in enumerate(texts))))
        if request.param == "json":
            items = json.dumps([{"id": n, "question": text} for n, text in enumerate(texts)])
            return QuestionFile(text_file(path, items))
        if request.param == "jsonl":
            return QuestionFile(jsonl_file(path, ({"id": n, "question": text} for n, text in enumerate(texts))))
        columns = {"id": list(range(rows)), "question": texts}
        return QuestionFile(parquet_file(path, columns, use_dictionary=False, data_page_size=65_536))

    return write


def test_questions_are_read_in_constant_memory(question_file):
    def peak(rows):
        file = question_file(rows)
        file.inspect()
        tracemalloc.start()
        arrow = 0
        for record in file.questions():
            if record.index % 1000 == 0:
                arrow = max(arrow, pa.total_allocated_bytes())
        held = tracemalloc.get_traced_memory()[1] + arrow
        tracemalloc.stop()
        return held

    peak(100)  # imports what is needed
    assert peak(MANY) - peak(FEW) < KEPT * (MANY - FEW)


@pytest.mark.parametrize("question_file", ["csv", "parquet"], indirect=True)  # read as above; text, and columns
def test_a_manifest_is_written_in_constant_memory(question_file, tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "ROW_GROUP_ROWS", 4096)

    def held(rows):
        file, lookup = question_file(rows), EveryRowNoting(rows)
        file.inspect()
        tracemalloc.start()
        manifest.write_manifest(Store(tmp_path), file, lookup, manifest.Provenance())
        tracemalloc.stop()
        return lookup.held

    held(100)  # imports what is needed
    assert held(2 * FEW) - held(FEW) < KEPT_OF_MANIFEST * FEW


def test_inspection_takes_a_few_bytes_a_row(question_file):
    def held(rows):
        file = question_file(rows)
        tracemalloc.start()
        file.inspect()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    held(100)  # imports what is needed
    assert held(MANY) - held(FEW) < KEPT * (MANY - FEW)
