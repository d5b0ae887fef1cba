import json
import os
import re
import sys
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bag_of_words import BagOfWords
from tests.pdf_file import pdf_of
from tests.product import ROOT
from voicegen.cli import main
from voicegen.errors import ConfigError, InputError
from voicegen.records import ModelInfo
from voicegen.retrieval import VectorDB
from voicegen.retrieval.documents import read_document
from voicegen.retrieval.index_file import Index
from voicegen.retrieval.indexing import index_folder
from voicegen.retrieval.sentence_model import SentenceModel
from voicegen.retrieval.splitting import Splitter

SENTENCE = "Sentence number {} tells of a river that bends around a hill and of the mill that stands there. "


@pytest.fixture
def folder(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "tea.md").write_text(
        "# Tea\n\nGreen tea is brewed for three minutes at eighty degrees.\n\n## Storing\n\nKeep it dry.\n"
    )
    (docs / "bees.txt").write_text("A hive of honeybees has one queen, who lays all of the eggs.\n")
    (docs / "moon.html").write_text("<h1>Moon</h1><p>The tides are made by the pull of the Moon on the sea.</p>")
    (docs / "law.pdf").write_bytes(pdf_of(["A contract needs an offer."], ["Theft is taking what is not yours."]))
    return docs


@pytest.fixture
def words():
    return BagOfWords()


def indexed(folder, to, model, tokens=200, **options):
    return index_folder(folder, to, model, "all-minilm-l6-v2", tokens=tokens, overlap=40, **options)


def test_the_command_and_the_example_of_the_voice_chat_document(folder, tmp_path, model, monkeypatch, capsys):
    monkeypatch.setattr(SentenceModel, "load", lambda *_: model)
    assert main(["index", str(folder), "--to", str(tmp_path / "docs.npz")]) == 0
    told = "docs.npz: 4 passages of 4 documents: 4 new, 0 changed, 0 gone, 0 as before\n"
    assert capsys.readouterr().out.endswith(told)
    vdb = VectorDB(tmp_path / "docs.npz")
    results = vdb.query("How long must I steep the leaves?", k=5)
    context = "\n".join([r["text"] for r in results])
    assert "three minutes" in context
    assert {"text", "score", "source"} <= results[0].keys()
    assert (results[0]["source"], results[0]["id"]) == ("tea.md, Tea", "tea.md#1")
    assert [row["score"] for row in results] == sorted((row["score"] for row in results), reverse=True)
    assert vdb.query("What is stealing?", k=1)[0]["source"] == "law.pdf, page 1 to page 2"
    assert vdb.query("Why does the sea rise and fall?", k=1)[0]["source"] == "moon.html, Moon"


def test_the_right_passage_is_among_the_first_five_of_nine_written_questions_in_ten(tmp_path, model, monkeypatch):
    monkeypatch.setattr(SentenceModel, "load", lambda *_: model)
    lines = (ROOT / "tests" / "data" / "documents_and_questions.jsonl").read_text("utf-8").splitlines()
    written = [json.loads(line) for line in lines]
    assert len(written) >= 50
    docs = tmp_path / "docs"
    docs.mkdir()
    for entry in written:
        (docs / f"{entry['document']}.txt").write_text(entry["text"], "utf-8")
    indexed(docs, tmp_path / "docs.npz", model)
    found = VectorDB(tmp_path / "docs.npz").find([entry["question"] for entry in written], k=5)
    missed = [
        entry["question"]
        for entry, passages in zip(written, found, strict=True)
        if f"{entry['document']}.txt#1" not in [passage.id for passage in passages]
    ]
    assert len(missed) <= len(written) / 10, missed


def test_a_rerun_embeds_what_changed_alone_and_drops_what_is_gone(folder, tmp_path, words):
    to = tmp_path / "docs.npz"
    indexed(folder, to, words)
    before, words.embedded = to.read_bytes(), []

    again = indexed(folder, to, words)
    assert (again.kept, again.new, again.changed, again.gone, words.embedded) == (4, 0, 0, 0, [])
    assert to.read_bytes() == before

    (folder / "bees.txt").write_text("Drones are the males of a hive.\n")
    (folder / "law.pdf").unlink()
    (folder / "new.txt").write_text("Volcanoes throw out ash.\n")
    then = indexed(folder, to, words)
    assert (then.kept, then.new, then.changed, then.gone) == (2, 1, 1, 1)
    assert words.embedded == ["Drones are the males of a hive.", "Volcanoes throw out ash."]
    fresh = indexed(folder, tmp_path / "fresh" / "docs.npz", words).index
    assert list(then.index.texts) == list(fresh.texts)
    assert then.index.identity == fresh.identity
    assert (then.index.vectors == fresh.vectors).all()


def test_other_lengths_make_all_passages_anew(folder, tmp_path, words):
    to = tmp_path / "docs.npz"
    indexed(folder, to, words)
    words.embedded = []
    then = indexed(folder, to, words, tokens=100)
    assert (then.kept, then.changed) == (0, 4)
    assert len(words.embedded) == len(then.index)


def test_a_stopped_indexing_keeps_what_it_saved(folder, tmp_path, words, monkeypatch):
    to = tmp_path / "docs.npz"
    monkeypatch.setattr("voicegen.retrieval.indexing.SAVED_EVERY", -1)
    monkeypatch.setattr("voicegen.retrieval.indexing._EMBEDDED_TOGETHER", 1)

    def stopping(paths):
        yield from paths[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexed(folder, to, words, progress=stopping)
    assert [one.path for one in VectorDB(to).index.documents] == ["bees.txt", "law.pdf"]
    assert indexed(folder, to, words).kept == 2

    (folder / "bees.txt").write_text("Drones are the males of a hive.\n")
    with pytest.raises(KeyboardInterrupt):
        indexed(folder, to, words, progress=stopping)
    assert indexed(folder, to, words).kept == 4


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_indexed(folder, tmp_path, words, monkeypatch, capsys):
    monkeypatch.setattr(SentenceModel, "load", lambda *_: words)
    (folder / "bad.txt").write_bytes(b"\xff\x00\xfe")
    (folder / "scan.pdf").write_bytes(pdf_of([]))
    assert main(["index", str(folder), "--to", str(tmp_path / "docs.npz")]) == 3
    told = capsys.readouterr()
    assert "voicegen: bad.txt is left out: it is not UTF-8" in told.err
    assert "voicegen: scan.pdf is left out: it holds no text" in told.err
    assert "of 4 documents" in told.out


@pytest.mark.skipif(sys.platform == "darwin", reason="its disks take no such name")
def test_a_file_whose_name_is_no_utf8_is_found_under_one_that_is(folder, tmp_path, words):
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("A glacier is a river of ice.")
    indexed(folder, tmp_path / "docs.npz", words)
    assert "caf\ufffd.txt" in {document.path for document in Index.read(tmp_path / "docs.npz").documents}
    assert indexed(folder, tmp_path / "docs.npz", words).kept == 5


def test_what_is_too_long_for_a_word_is_cut_before_it_is_read_and_nothing_is_lost(words, monkeypatch):
    splitter, read = Splitter(words.tokenizer, 100, 0), []
    plain = splitter._plain
    monkeypatch.setattr(
        splitter, "_plain", SimpleNamespace(chunk_indices=lambda text: read.append(text) or plain.chunk_indices(text))
    )
    text = "In front. " + ",".join(map(str, range(3000))) + " Behind."
    pieces = list(splitter.split(read_document(text.encode(), ".txt")))
    assert max(map(len, read)) < 4100
    said = re.compile(r"\w")
    assert said.findall("".join(piece.text for piece in pieces)) == said.findall(text)


def test_passages_are_no_longer_than_asked_overlap_and_lose_nothing(words):
    text = "".join(SENTENCE.format(n) for n in range(60))
    pieces = list(Splitter(words.tokenizer, 100, 30).split(read_document(text.encode(), ".txt")))
    assert len(pieces) > 5
    assert all(len(words.tokenizer.encode(piece.text).ids) <= 102 for piece in pieces)
    for one, other in pairwise(pieces):
        assert any(one.text.endswith(other.text[:length]) for length in range(40, len(one.text)))
    assert all(SENTENCE.format(n).strip() in "\n".join(piece.text for piece in pieces) for n in range(60))


def test_a_passage_is_embedded_under_the_headings_above_it(words):
    text = "# Kettle\n\n## Cleaning\n\n" + "\n\n".join(SENTENCE.format(n) * 3 for n in range(6))
    pieces = list(Splitter(words.tokenizer, 100, 0).split(read_document(text.encode(), ".md")))
    assert pieces[-1].part == "Kettle > Cleaning"
    assert pieces[-1].embedded == f"Kettle > Cleaning\n{pieces[-1].text}"


@pytest.mark.parametrize(("tokens", "overlap"), [(4, 0), (100, 100), (100, -1)])
def test_lengths_that_cannot_be_are_told(words, tokens, overlap):
    with pytest.raises(ConfigError, match="16 tokens or more"):
        Splitter(words.tokenizer, tokens, overlap)


def test_vectors_are_those_that_the_model_is_known_to_give(model):
    """The hub's documentation shows these similarities, as all-MiniLM-L6-v2's."""
    texts = ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    vectors = model.embed(texts, "document")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[1:] @ vectors[0], [0.6946, 0.9429, 0.2569], atol=2e-3)


def test_a_text_has_the_same_vector_alone_and_among_others(model):
    texts = ["Hi.", "A longer text than the others here, by some words.", "Short."]
    alone = np.concatenate([model.embed([text], "query") for text in texts])
    np.testing.assert_allclose(model.embed(texts, "query"), alone, atol=1e-5)


def test_an_index_of_another_model_is_not_asked(folder, tmp_path, words, monkeypatch):
    to = tmp_path / "docs.npz"
    indexed(folder, to, words)
    words.info = ModelInfo("other", "sentence", "another revision")
    monkeypatch.setattr(SentenceModel, "load", lambda *_: words)
    with pytest.raises(InputError, match=r"docs.npz was made with all-minilm-l6-v2 .* make it again"):
        VectorDB(to).query("What?")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{docs}"], "index takes a folder, and where to"),
        (["{docs}", "--to", "{tmp}/docs.txt"], "ends in .npz"),
        (["{docs}", "--to", "{tmp}/a.npz", "--tokens", "many"], "--tokens many: give a whole number"),
        (["{tmp}/none", "--to", "{tmp}/a.npz"], "none is no folder"),
        (["{tmp}/empty", "--to", "{tmp}/a.npz"], "has no .txt, .rst, .md, .html or .pdf file"),
        (["{docs}", "--to", "{tmp}/a.npz", "--model", "./nowhere"], "there is no such folder or file"),
        (["{docs}", "--to", "{tmp}/folder.npz"], "an index is a file that ends in .npz"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(folder, tmp_path, capsys, words, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.npz").mkdir()
    assert main(["index", *(word.format(docs=folder, tmp=tmp_path) for word in words)]) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
