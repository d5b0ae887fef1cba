"""A filter over the manifest's columns, in SQL: what may stand after WHERE.

DuckDB reads and computes it, shut off from files and the network. It sees the columns alone and says which rows hold,
so that what is exported is never what came back from it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from voicegen.errors import ConfigError

_ROW = "voicegen export row"


class Where:
    """A filter such as `duration > 2 AND voice = 'joe'`; a row of which it says NULL is left out.

    Args:
        condition: the SQL.

    Raises:
        ConfigError: it is empty.
    """

    def __init__(self, condition: str) -> None:
        import duckdb

        if not condition.strip():
            raise ConfigError('--where is empty: give a condition, such as --where "duration > 2"')
        self._condition = condition
        self._errors = duckdb.Error
        self._database: Any = duckdb.connect(
            config={"enable_external_access": "false", "lock_configuration": "true", "threads": "1"}
        )

    def __call__(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Of which rows it holds.

        Raises:
            ConfigError: it cannot be read, or names a column that is not there; says what DuckDB says.
        """
        numbered = pa.Table.from_batches([batch]).append_column(_ROW, pa.array(np.arange(batch.num_rows)))
        try:
            found = self._database.from_arrow(numbered).filter(self._condition).project(f'"{_ROW}"').fetchnumpy()
        except self._errors as error:
            said = " ".join(str(error).split("\n\nLINE", 1)[0].split())
            raise ConfigError(f"--where {self._condition!r} cannot be used: {said}") from None
        holds = np.zeros(batch.num_rows, np.bool_)
        holds[found[_ROW]] = True
        return pa.array(holds)
