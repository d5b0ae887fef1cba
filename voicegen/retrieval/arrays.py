"""Arrays in one file: numpy's .npz, uncompressed and aligned, so that they are read from the disk where they lie.

`numpy.load` reads such a file too. No array of Python objects is written or read: those are pickles.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from voicegen.files import replacing

Arrays = Mapping[str, NDArray[Any]]

_ALIGNED: Final = 64  # bytes: of a cache line, and of what a matrix product likes
_LOCAL_HEADER: Final = 30  # bytes before a member's name (APPNOTE.TXT, 4.3.7)
_ZIP64: Final = 20  # bytes that zipfile adds to `extra` where a member may be large
_PADDING: Final = 0xD935  # the field of `extra` that Android's zipalign pads with
_NPY_HEADER: Final = 1 << 16  # bytes that hold any header of ours


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Writes a file that is there whole or as it was before; the same arrays give the same bytes.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # of 1980: no time is in it
            before = file.fp.tell() + _LOCAL_HEADER + len(member.filename) + _ZIP64 + 4  # type: ignore[union-attr]
            room = -before % _ALIGNED
            member.extra = struct.pack("<HH", _PADDING, room) + bytes(room)
            with file.open(member, "w", force_zip64=True) as data:
                npy.write_array(data, np.ascontiguousarray(array), allow_pickle=False)


def map_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file: those of `write_arrays` are on the disk until they are used, others are read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or holds Python objects.
    """
    try:
        with zipfile.ZipFile(path) as file:
            whole = np.memmap(path, np.uint8, "c")  # what is written into it stays here
            return {
                member.filename.removesuffix(".npy"): _mapped(whole, member)
                if member.compress_type == zipfile.ZIP_STORED
                else npy.read_array(BytesIO(file.read(member)), allow_pickle=False)
                for member in file.infolist()
            }
    except (zipfile.BadZipFile, struct.error, EOFError, NotImplementedError, zipfile.LargeZipFile) as error:
        raise ValueError(str(error)) from None


def _mapped(whole: NDArray[np.uint8], member: zipfile.ZipInfo) -> NDArray[Any]:
    begins = member.header_offset
    name, extra = struct.unpack_from("<HH", whole[begins : begins + _LOCAL_HEADER].tobytes(), _LOCAL_HEADER - 4)
    begins += _LOCAL_HEADER + name + extra
    header = BytesIO(whole[begins : begins + min(_NPY_HEADER, member.file_size)].tobytes())
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(npy.read_magic(header))
    if read_header is None:
        raise ValueError(f"{member.filename} is of a version of numpy's format that is not read")
    shape, by_columns, dtype = read_header(header)
    if dtype.hasobject or by_columns:
        raise ValueError(f"{member.filename} holds Python objects, or lies by columns")
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(whole, dtype, count, begins + header.tell()).reshape(shape)
