"""Tables that are written row by row, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

_ROW_GROUP_ROWS: Final = 4096


@contextmanager
def parquet_rows(path: Path, schema: pa.Schema) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A Parquet file being written: takes rows, and writes a row group whenever there are enough for one."""
    waiting: list[Mapping[str, Any]] = []

    def flush() -> None:
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

    def add(row: Mapping[str, Any]) -> None:
        waiting.append(row)
        if len(waiting) == _ROW_GROUP_ROWS:
            flush()

    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        yield add
        flush()
