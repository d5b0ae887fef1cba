import threading
from pathlib import Path

import pytest

from voicegen.chat.mlx.model_cache import CONTENTS, converted


class Builder:
    def __init__(self, text="weights"):
        self.times = 0
        self.text = text

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "a.bin").write_text(self.text)
        (folder / "b.json").write_text("{}")


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "model.gguf"
    path.write_bytes(b"the file")
    return path


def use(source, build, root, version="v1"):
    with converted(source, version, build, root) as folder:
        return folder, (folder / "a.bin").read_text()


def test_a_model_is_converted_once(source, tmp_path):
    build = Builder()
    first = use(source, build, tmp_path / "cache")
    assert use(source, build, tmp_path / "cache") == first
    assert build.times == 1


def test_another_file_or_version_is_another_folder(source, tmp_path):
    build, root = Builder(), tmp_path / "cache"
    folders = {use(source, build, root)[0], use(source, build, root, "v2")[0]}
    source.write_bytes(b"another file")
    folders.add(use(source, build, root)[0])
    assert len(folders) == build.times == 3


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "contents"])
def test_a_damaged_folder_is_made_anew(source, tmp_path, damage):
    build, root = Builder(), tmp_path / "cache"
    folder, _ = use(source, build, root)
    if damage == "cut":
        (folder / "a.bin").write_text("weig")
    elif damage == "flip":
        (folder / "a.bin").write_text("Weights")
    elif damage == "remove":
        (folder / "b.json").unlink()
    else:
        (folder / CONTENTS).write_text('{"a.bin": ')
    assert use(source, build, root) == (folder, "weights")
    assert build.times == 2


def test_a_build_that_fails_leaves_nothing_that_looks_whole(source, tmp_path):
    def fail(folder):
        (folder / "a.bin").write_text("half")
        raise ValueError("stopped")

    root = tmp_path / "cache"
    with pytest.raises(ValueError, match="stopped"):
        use(source, fail, root)
    assert [path for path in root.iterdir() if path.is_dir()] == []
    assert use(source, Builder(), root)[1] == "weights"


def test_a_cache_that_cannot_be_written_is_done_without(source, tmp_path):
    (tmp_path / "cache").write_text("a file stands in its place")
    folder, text = use(source, Builder(), tmp_path / "cache")
    assert text == "weights"
    assert not folder.exists()


def test_two_processes_at_once_convert_once(source, tmp_path):
    build, root = Builder(), tmp_path / "cache"
    threads = [threading.Thread(target=use, args=(source, build, root)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert build.times == 1
