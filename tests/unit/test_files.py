import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from voicegen.errors import OutputError
from voicegen.files import TEMPORARY_SUFFIX, remove_temporaries, write_atomic, write_group_atomic


def test_a_written_file_holds_the_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a" / "b.wav", b"bytes")
    assert (tmp_path / "a" / "b.wav").read_bytes() == b"bytes"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.wav"]


_LIMITED = """
import resource, subprocess, sys
from voicegen.files import allow_many_files
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_many_files()
limit = "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
subprocess.run([sys.executable, "-c", limit], check=True)
"""


@pytest.mark.parametrize(("soft", "hard", "then"), [(128, 900, "900 900"), (800, 800, "800 800")])
def test_a_process_and_those_that_it_starts_may_open_as_many_files_as_the_system_allows(
    soft: int, hard: int, then: str
) -> None:
    words = [sys.executable, "-c", _LIMITED, str(soft), str(hard)]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip() == then


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.wav").write_bytes(b"old and longer")
    write_atomic(tmp_path / "b.wav", b"new")
    assert (tmp_path / "b.wav").read_bytes() == b"new"


def test_a_full_disk_is_one_clear_line_and_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.wav"
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot write .*b\.wav: no space left on device; free some space") as caught:
        write_atomic(path, b"new")
    assert "\n" not in str(caught.value)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("b.wav", b"old")]


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_atomic(tmp_path / "file" / "b.wav", b"new")


def test_a_read_only_folder_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OutputError, match="permission denied; choose a folder that you may write to"):
        write_atomic(tmp_path / "b.wav", b"new")


def test_an_interrupted_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "b.wav", b"new")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed_and_everything_else_kept(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / f".000001.wav.77{TEMPORARY_SUFFIX}").write_bytes(b"half")
    (tmp_path / "audio" / "000000.wav").write_bytes(b"whole")
    assert remove_temporaries(tmp_path) == 1
    assert [path.name for path in (tmp_path / "audio").iterdir()] == ["000000.wav"]


def test_a_group_of_files_is_written_whole_and_leaves_nothing_else(tmp_path: Path) -> None:
    files = [(tmp_path / f"{number % 3}" / f"{number}.wav", bytes([number]) * 1000) for number in range(30)]
    write_group_atomic(files)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == dict(files)


def test_of_a_group_the_file_that_could_not_be_synced_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def fail_for_five(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == 5:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_five)
    with pytest.raises(OutputError, match=r"cannot write .*5\.wav: "):
        write_group_atomic([(tmp_path / f"{size}.wav", bytes(size)) for size in range(10)])
    assert list(tmp_path.iterdir()) == []
