"""Import slots of the shared libraries loaded in this process (Linux, 64-bit ELF).

An import slot is the word through which a library calls a function of another one; the dynamic linker fills it. This
module finds a slot by the symbol's name, tells which library it points into, and rewrites it. It knows nothing of what
the functions do.

Source: System V ABI, "Dynamic Linking"; relocation types from the x86-64 and AArch64 supplements.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

JUMP_SLOT_TYPES = frozenset({7, 6, 1026, 1025})  # x86-64 JUMP_SLOT and GLOB_DAT, AArch64 JUMP_SLOT and GLOB_DAT
SHT_RELA, SHT_DYNSYM = 4, 11
RELA, SYMBOL = struct.Struct("<QQq"), struct.Struct("<IBBHQQ")
PROT_READ, PROT_WRITE = 1, 2


class Mapping(NamedTuple):
    """One line of /proc/self/maps that belongs to a file."""

    start: int
    end: int
    writable: bool
    offset: int
    path: Path


class Section(NamedTuple):
    """The part of a section header that relocations need."""

    type: int
    offset: int
    size: int
    link: int


@dataclass(frozen=True, slots=True)
class ImportSlot:
    """The address of an import slot in this process."""

    address: int

    @property
    def value(self) -> int:
        """The address of the function that the slot points at."""
        return ctypes.c_uint64.from_address(self.address).value

    def write(self, function: int) -> bool:
        """Points the slot at `function`; False where the system does not allow it."""
        mapping = _mapping_at(self.address)
        if mapping is None:
            return False
        if mapping.writable:
            ctypes.c_uint64.from_address(self.address).value = function
            return True
        page = self.address & ~(mmap.PAGESIZE - 1)
        if not _protect(page, PROT_READ | PROT_WRITE):
            return False
        ctypes.c_uint64.from_address(self.address).value = function
        _protect(page, PROT_READ)
        return True


def loaded_library(prefix: str, folder: str | None = None) -> Path | None:
    """The file of a loaded library whose name starts with `prefix`, in a folder of that name where one is given."""
    for mapping in _mappings():
        if mapping.path.name.startswith(prefix) and folder in (None, mapping.path.parent.name):
            return mapping.path
    return None


def library_at(address: int) -> Path | None:
    """The file of the library that `address` lies in."""
    mapping = _mapping_at(address)
    return mapping.path if mapping else None


def import_slot(library: Path, symbol: str) -> ImportSlot | None:
    """The slot through which a loaded library calls `symbol`; None if it imports no such name."""
    base = next((m.start for m in _mappings() if m.path == library and m.offset == 0), None)
    if base is None:
        return None
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
        offset = _slot_offset(image, symbol.encode())
    return ImportSlot(base + offset) if offset is not None else None


def _slot_offset(image: mmap.mmap, symbol: bytes) -> int | None:
    """Where, from the library's base, the dynamic linker writes the address of `symbol`."""
    if image[:6] != b"\x7fELF\x02\x01":  # 64-bit, little-endian
        return None
    sections = _sections(image)
    for section in sections:
        if section.type != SHT_RELA or section.link >= len(sections):
            continue
        symbols = sections[section.link]
        if symbols.type != SHT_DYNSYM:
            continue
        names = sections[symbols.link]
        for place, info, _ in RELA.iter_unpack(image[section.offset : section.offset + section.size]):
            if info & 0xFFFFFFFF in JUMP_SLOT_TYPES and _name(image, symbols, names, info >> 32) == symbol:
                return int(place)
    return None


def _sections(image: mmap.mmap) -> list[Section]:
    (table,) = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    headers = (struct.unpack_from("<IIQQQQII", image, table + index * size) for index in range(count))
    return [Section(h[1], h[4], h[5], h[6]) for h in headers]


def _name(image: mmap.mmap, symbols: Section, names: Section, index: int) -> bytes:
    start = names.offset + SYMBOL.unpack_from(image, symbols.offset + index * SYMBOL.size)[0]
    return image[start : image.find(b"\0", start)]


def _mappings() -> Iterator[Mapping]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/"):
            start, end = (int(part, 16) for part in fields[0].split("-"))
            yield Mapping(start, end, "w" in fields[1], int(fields[2], 16), Path(fields[5]))


def _mapping_at(address: int) -> Mapping | None:
    return next((m for m in _mappings() if m.start <= address < m.end), None)


def _protect(page: int, protection: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), protection) == 0)
