"""`report.html`: one page to look at a run and to listen to it, which opens without a server and asks for nothing.

`statistics` says what is in the rows, `pictures` how a clip looks, `rows` what of the manifest the page carries, `page`
puts it together with what lies in `assets`. Two runs come side by side on one page: `differences` says what differs in
a row, `pair` which row of one is which of the other. Knows the manifest and the run's record; not what made them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from voicegen.cores import numpy_on_one_core
from voicegen.remote import AnyPath
from voicegen.store import Store

REPORT: Final = "report.html"
"""The page's name in a run's store."""


def write_report(store: Store, name: str | None = None) -> AnyPath:
    """Writes `report.html` of a run that has a manifest, and puts it in the place of the old one at once.

    Its WAVs stay where they are: the page plays them from there.

    Args:
        store: the run's.
        name: of the run; its folder's by default.

    Raises:
        InputError: there is no run, or none with a manifest yet.
        OutputError: its files cannot be read, or the page cannot be written.
    """
    from voicegen.report.page import page  # with it comes pandas
    from voicegen.report.rows import RunRows

    rows = RunRows(store, name)
    with store.making(REPORT) as path, path.open("w", encoding="utf-8", newline="\n") as file, numpy_on_one_core():
        file.writelines(page(rows))
    return store.root / REPORT


def write_report_of_two(first: Store, second: Store) -> Path:
    """Writes one page of two runs side by side, `report-with-FIRST.html` in the second's folder.

    The WAVs of both stay where they are: the page plays them from there.

    Raises:
        InputError: there is no run, none with a manifest yet, twice the same, or no row that both have.
        OutputError: their files cannot be read, or the page cannot be written.
    """
    from voicegen.report.page import page_of_two
    from voicegen.report.pair import RunPair
    from voicegen.report.rows import RunRows

    pair = RunPair(RunRows(first), RunRows(second))
    name = f"report-with-{first.name}.html"
    with second.making(name) as path, path.open("w", encoding="utf-8", newline="\n") as file, numpy_on_one_core():
        file.writelines(page_of_two(pair))
    return second.folder / name
