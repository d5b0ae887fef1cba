"""Files at a URL, read and written through fsspec: `s3://`, `gs://`, `hf://`, `memory://`, and all else that it knows.

Who may read and write there is said by the store's own means (environment, profile, role), never by a URL: one with a
password is refused, and what a web address has after its `?`, where signed ones have their key, is not shown.
"""

from __future__ import annotations

import glob
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

from voicegen.errors import ConfigError, InputError, MissingDependency, OutputError, VoicegenError, without_credentials
from voicegen.files import local_path

_URL: Final = re.compile(r"(?:[a-z0-9]+::)*(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*):/+(?P<place>.*)", re.DOTALL)
_QUERY: Final = re.compile(r"(https?://[^\s?#'\"]*)[?#][^\s'\"]*")
_INSTALL: Final = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}
BUFFER: Final = 4 * 2**20
"""Bytes that are asked for at once."""

_DENIED: Final = "access denied: check the store's own credentials (environment, profile or role)"


@dataclass(frozen=True, slots=True)
class RemotePath:
    """A file, folder or pattern at a URL, with what of a `Path` its readers use. Nothing is asked of it before.

    Args:
        url: as fsspec has it, also of a chain such as `simplecache::s3://bucket/it`.

    Raises:
        ValueError: the URL holds a password.
    """

    url: str

    def __post_init__(self) -> None:
        match = _URL.fullmatch(self.url)
        if match and ":" in match["place"].split("/", 1)[0].rpartition("@")[0]:
            raise ValueError(
                "the URL holds a password, which would be shown: leave NAME:PASSWORD@ out, and give it by the store's "
                "own means (environment, profile or role)"
            )

    def __str__(self) -> str:
        return shown_url(self.url)

    @property
    def protocol(self) -> str:
        """Of the last link, as `s3`."""
        match = _URL.fullmatch(self.url)
        return match["protocol"].lower() if match else ""

    @property
    def _place(self) -> str:
        """What follows the protocol."""
        match = _URL.fullmatch(str(self))
        return match["place"] if match else ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket or host, folders, and name."""
        return PurePosixPath(self._place).parts

    @property
    def name(self) -> str:
        """The last of the parts."""
        return PurePosixPath(self._place).name

    @property
    def suffix(self) -> str:
        """The end of the name, with its dot."""
        return PurePosixPath(self._place).suffix

    @property
    def parent(self) -> RemotePath:
        """The folder that it lies in."""
        return RemotePath(str(self).rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> RemotePath:
        """What has that name below it."""
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    def absolute(self) -> RemotePath:
        """Itself."""
        return self

    def with_suffix(self, suffix: str) -> RemotePath:
        """Of the same name with another end."""
        return RemotePath(str(self).removesuffix(self.suffix) + suffix)

    def filesystem(self) -> tuple[Any, str]:
        """What fsspec reads and writes it with, and what it is called there.

        Raises:
            MissingDependency: the protocol's package is not installed.
            InputError: there is no such protocol.
        """
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            raise MissingDependency(f"{self}: {_missing(self.protocol, error)}") from None
        except ValueError as error:
            raise InputError(f"{self}: {_line(error)}") from None
        return filesystem, path

    def open(self, mode: str = "rb", kind: type[VoicegenError] = InputError) -> io.BufferedReader:
        """Opens it for reading, a piece at a time.

        Raises:
            InputError: it is not there or cannot be read; also while it is read. It is of the `kind` given.
        """
        assert mode == "rb"
        with reading(self, kind):
            filesystem, path = self.filesystem()
            return io.BufferedReader(_Pieces(self, filesystem.open(path, "rb", block_size=BUFFER), kind), BUFFER)

    def read_bytes(self) -> bytes:
        """All that is in it, by one request: of an object that is replaced meanwhile the old bytes or the new.

        Raises:
            FileNotFoundError: it is not there; other errors are the store's own too.
        """
        filesystem, path = self.filesystem()
        at_once = {"max_concurrency": 1} if self.protocol in ("s3", "s3a") else {}  # s3fs asks for ranges otherwise
        return bytes(filesystem.cat_file(path, **at_once))

    def stamp(self) -> tuple[int, str]:
        """Its size in bytes, and what is another once it has changed.

        Raises:
            InputError: as `open`.
        """
        with reading(self):
            filesystem, path = self.filesystem()
            return int(filesystem.info(path)["size"] or 0), str(filesystem.ukey(path))

    def exists(self) -> bool:
        """Whether there is a file or folder."""
        with reading(self):
            filesystem, path = self.filesystem()
            return bool(filesystem.exists(path))

    def is_dir(self) -> bool:
        """Whether it is a folder, which where there are but names begins those of files; the web has none."""
        if self.protocol in ("http", "https"):
            return False
        with reading(self):
            filesystem, path = self.filesystem()
            try:
                return bool(filesystem.info(path)["type"] == "directory")  # `isdir` lists all that is in it
            except FileNotFoundError:
                return False

    @property
    def fixed(self) -> RemotePath:
        """Of a pattern, the folder below which it can fit anything."""
        head = re.split(r"[*?\[]", self.url, maxsplit=1)[0]
        return RemotePath(head[: head.rindex("/")]) if glob.has_magic(self.url) else self

    def below(self) -> Iterator[RemotePath]:
        """The files in the folder and below it that are not empty."""
        with reading(self):
            filesystem, path = self.filesystem()
            yield from self._named(path, filesystem.find(path, detail=True))

    def fitting(self) -> Iterator[RemotePath]:
        """The files that the pattern fits, and those below folders that it fits, that are not empty."""
        with reading(self):
            filesystem, path = self.filesystem()
            found = filesystem.glob(path, detail=True)
            for folder in [name for name, info in found.items() if info["type"] == "directory"]:
                found |= filesystem.find(folder, detail=True)
            yield from self.fixed._named(self.fixed.filesystem()[1], found)

    def _named(self, path: str, found: dict[str, Any]) -> Iterator[RemotePath]:
        """What was found below, which is at `path`, by URL."""
        for name, info in found.items():
            if info["type"] == "file" and info.get("size") != 0:
                yield RemotePath(f"{self.url.rstrip('/')}/{name.removeprefix(path.rstrip('/')).lstrip('/')}")


AnyPath: TypeAlias = Path | RemotePath
"""A path of this machine, or one at a URL."""


def any_path(value: str | Path | RemotePath) -> AnyPath:
    """What a user calls a file or folder, here or at a URL.

    Raises:
        ValueError: it can be none.
    """
    if isinstance(value, RemotePath):
        return value
    match = _URL.fullmatch(str(value)) if isinstance(value, str | Path) else None
    if match is None:
        return local_path(value)
    url = re.sub(":/+", "://", str(value), count=1)  # a `Path` made of it has lost one of the two slashes
    return Path("/", match["place"]) if match["protocol"] == "file" else RemotePath(url)


def given_place(argument: str, value: str | Path | RemotePath) -> AnyPath:
    """`any_path` of what a function was given from Python.

    Raises:
        ConfigError: it can be none; names the argument.
    """
    try:
        return any_path(value)
    except ValueError as error:
        raise ConfigError(f"{argument}: {error}") from None


def shown_url(text: str) -> str:
    """`text` without what URLs in it hold that is for their servers alone."""
    return without_credentials(_QUERY.sub(r"\1", text))


@contextmanager
def reading(path: RemotePath, kind: type[VoicegenError] = InputError) -> Iterator[None]:
    """Makes what a store says in the block, which asks nothing else, ours: where it is read."""
    with _telling(kind, f"{path}: cannot be read", f"{path}: there is no such file (looked in {path.parent})."):
        yield


@contextmanager
def storing(path: RemotePath, verb: str = "write") -> Iterator[None]:
    """Makes what a store says in the block, which asks nothing else, ours: where a run lies."""
    with _telling(OutputError, f"cannot {verb} {path}", f"cannot {verb} {path}: there is no such bucket or file"):
        yield


@contextmanager
def _telling(kind: type[VoicegenError], what: str, missing: str) -> Iterator[None]:
    try:
        yield
    except (VoicegenError, FileExistsError):  # the latter where a file is only to be put if there is none
        raise
    except FileNotFoundError as error:
        raise kind(missing) from error
    except PermissionError as error:
        raise kind(f"{what}: {_DENIED}") from error
    except TimeoutError as error:
        raise kind(f"{what}: no answer in time; run the same command again") from error
    except Exception as error:  # of whichever library talks to the store
        raise kind(f"{what}: {_line(error)}; mend that, then run the same command again") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return shown_url(text)[:200].rstrip(".")


def _missing(protocol: str, error: ImportError) -> str:
    if protocol in _INSTALL:
        package, extra = _INSTALL[protocol]
        return f"{protocol}:// needs the package {package}: install it with uv sync --extra {extra}"
    return f"{protocol}:// needs another package: {_line(error)}"


class _Pieces(io.RawIOBase):
    """A file of fsspec's, whose errors are ours."""

    def __init__(self, path: RemotePath, file: Any, kind: type[VoicegenError]) -> None:
        super().__init__()
        self._kind = kind
        self._path = path
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def tell(self) -> int:
        return int(self._file.tell())

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any, /) -> int:
        with reading(self._path, self._kind):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
