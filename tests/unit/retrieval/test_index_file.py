import numpy as np
import pytest

from voicegen.errors import ConfigError, InputError
from voicegen.retrieval.coarse import Coarse, is_quick
from voicegen.retrieval.index_file import Index, IndexedDocument, Making, Texts
from voicegen.retrieval.vdb import VectorDB


def index_of(vectors, document=None, /, **changes):
    count = len(vectors)
    document = np.zeros(count, np.int32) if document is None else np.asarray(document, np.int32)
    parts = {
        "making": Making("no-such-model", "1", 200, 40),
        "documents": tuple(IndexedDocument(f"{n}.md", f"{n:064}") for n in range(int(document.max(initial=0)) + 1)),
        "document": document,
        "vectors": np.asarray(vectors, np.float32),
        "texts": Texts.of([f"text {n} Ω" for n in range(count)]),
        "sources": Texts.of([f"source {n}" for n in range(count)]),
    }
    return Index(**{**parts, **changes})


def random_vectors(count, width=24, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "docs.npz"


def test_an_index_is_read_as_it_was_written(path):
    written = index_of(random_vectors(5), [0, 0, 2, 2, 2])
    written.write(path)
    read = Index.read(path)
    assert (read.vectors == written.vectors).all()
    assert list(read.texts) == list(written.texts)
    assert list(read.sources) == list(written.sources)
    assert read.identity == written.identity
    assert [read.id(place) for place in range(5)] == ["0.md#1", "0.md#2", "2.md#1", "2.md#2", "2.md#3"]


def test_vectors_stay_on_the_disk_where_a_matrix_product_can_read_them(path):
    index_of(random_vectors(7)).write(path)
    vectors = Index.read(path).vectors
    root = vectors
    while root.base is not None and not isinstance(root, np.memmap):
        root = root.base
    assert isinstance(root, np.memmap)
    assert vectors.ctypes.data % 64 == 0
    before = path.read_bytes()
    vectors[0] = 0
    assert path.read_bytes() == before


def test_numpy_reads_the_file_too_and_the_same_index_gives_the_same_bytes(path):
    index = index_of(random_vectors(3))
    index.write(path)
    before = path.read_bytes()
    index.write(path)
    assert path.read_bytes() == before
    with np.load(path, allow_pickle=False) as file:
        assert (file["vectors"] == index.vectors).all()


def test_an_index_that_was_compressed_is_read(path):
    index = index_of(random_vectors(3))
    index.write(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez_compressed(path, **arrays)
    assert list(Index.read(path).texts) == list(index.texts)


def test_python_objects_are_never_loaded(path, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.savez(path, about=np.array([Trap()], dtype=object))
    for save in (np.savez, np.savez_compressed):
        save(path, about=np.array([Trap()], dtype=object))
        with pytest.raises(InputError, match="no index of voicegen"):
            Index.read(path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vectors": random_vectors(3).astype(np.float64)}, "float64"),
        ({"document": np.array([0, 0], np.int32)}, "differ in length"),
        ({"document": np.array([0, 9, 9], np.int32)}, "order of its documents"),
        ({"texts": Texts(np.zeros(2, np.uint8), np.array([1, 2, 9]))}, "do not end where they should"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(path, change, told):
    index_of(random_vectors(3), **({"documents": (IndexedDocument("0.md", ""),)} | change)).write(path)
    with pytest.raises(InputError, match=told):
        Index.read(path)


def test_a_file_that_is_cut_short_or_something_else_is_told(path):
    with pytest.raises(InputError, match="there is no index"):
        VectorDB(path)
    index_of(random_vectors(3)).write(path)
    whole = path.read_bytes()
    for content in (whole[:-100], b"", b"PK\x03\x04" + b"\0" * 100, b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="remove it and make it with `voicegen index"):
            VectorDB(path)


@pytest.mark.parametrize("k", [1, 5, 300])
def test_the_nearest_are_found_as_the_plain_way_finds_them(path, k):
    vectors, questions = random_vectors(200), random_vectors(9, seed=1)
    index_of(vectors).write(path)
    found = VectorDB(path).nearest(questions, k)
    for question, (places, scores) in zip(questions, found, strict=True):
        expected = sorted(range(200), key=lambda place: -round(float(vectors[place] @ question), 5))[:k]
        assert places.tolist() == expected
        np.testing.assert_allclose(scores, vectors[expected] @ question, atol=1e-6)


def test_of_passages_that_are_as_near_the_first_come_first(path):
    vectors = np.tile(random_vectors(1), (10, 1))
    index_of(vectors).write(path)
    [(places, _)] = VectorDB(path).nearest(vectors[:1], 4)
    assert places.tolist() == [0, 1, 2, 3]


def test_many_questions_are_multiplied_in_parts_that_fit(path, monkeypatch):
    vectors = random_vectors(50)
    index_of(vectors).write(path)
    whole = VectorDB(path).nearest(vectors, 3)
    monkeypatch.setattr("voicegen.retrieval.vdb._SCORES_AT_ONCE", 200)
    parts = VectorDB(path).nearest(vectors, 3)
    assert [places.tolist() for places, _ in parts] == [places.tolist() for places, _ in whole]


@pytest.mark.parametrize(("question", "k"), [("", 5), (None, 5), ("What?", 0), ("What?", True), ("What?", 1.5)])
def test_a_question_or_a_number_that_cannot_be_is_told(path, question, k):
    index_of(random_vectors(3)).write(path)
    with pytest.raises(ConfigError):
        VectorDB(path).query(question, k=k)


@pytest.mark.parametrize("k", [1, 5, 40])
def test_a_large_index_is_searched_in_two_steps_which_find_the_same(path, monkeypatch, k):
    monkeypatch.setattr("voicegen.retrieval.index_file.LARGE", 100)
    around = random_vectors(3000, width=64)
    vectors = np.concatenate([around[:1] + 0.2 * around[1:500], around[500:]]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = vectors[3]
    index_of(vectors).write(path)
    two_steps = VectorDB(path)
    assert two_steps.index.coarse is not None
    monkeypatch.setattr("voicegen.retrieval.vdb.is_quick", lambda _width: False)
    plain = [VectorDB(path).nearest(question[None], k)[0] for question in vectors[:40]]
    monkeypatch.setattr("voicegen.retrieval.vdb.is_quick", lambda _width: True)
    for question, (places, scores) in zip(vectors[:40], plain, strict=True):
        [(found, their)] = two_steps.nearest(question[None], k)
        assert found.tolist() == places.tolist()
        np.testing.assert_allclose(their, scores, atol=1e-6)
        assert len(two_steps.index.coarse.candidates(question, k)) < 1000


@pytest.mark.parametrize(("count", "width"), [(400, 64), (401, 128), (3, 384)])
def test_the_first_step_leaves_no_vector_out_that_may_be_the_nearest(count, width):
    rng = np.random.default_rng(5)
    assert not is_quick(50)  # which would read beyond its vectors
    for spread in (1e-4, 1e-2, 1):  # near ones, which eight bits do not tell apart
        vectors = (rng.standard_normal(width) + spread * rng.standard_normal((count, width))).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        coarse = Coarse.of(vectors)
        for question in vectors[:20]:
            nearest = np.argsort(-(vectors.astype(np.float64) @ question.astype(np.float64)))[:5]
            assert set(nearest) <= set(coarse.candidates(question, min(5, count)))
