"""Pushes a run to Hugging Face's hub: exported beside the run, uploaded, and the export removed again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voicegen.dataset.manifest_file import open_manifest
from voicegen.export import hub
from voicegen.export.choice import Selection
from voicegen.export.sound import Wanted
from voicegen.job.exporting import ExportSummary, export_run

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True, slots=True)
class PushSummary:
    """What was pushed to where."""

    export: ExportSummary
    place: hub.Place
    url: str
    card_kept: bool

    def lines(self) -> Iterator[str]:
        """The page that says so."""
        yield from self.export.counted
        yield f"pushed    {self.url}"
        if self.card_kept:
            yield "card      the dataset's own README.md was left as it is"
        yield f'load      datasets.load_dataset("{self.place.id}")'


def push_run(
    run: str | Path,
    uri: str,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    *,
    public: bool = False,
    api: HfApi | None = None,
) -> PushSummary:
    """Exports the chosen rows of a run as `hf` and uploads them, in the place of what was pushed there before.

    Args:
        run: its folder, or its manifest.
        uri: `hf://datasets/OWNER/NAME`; made where it is not there.
        selection: which rows.
        wanted: what their audio is to be.
        public: whether everybody may see it.
        api: the hub; huggingface_hub's own, with the token that it finds, by default.

    Raises:
        ConfigError: `uri` names no dataset, or as `export_run`.
        InputError: as `export_run`.
        OutputError: the hub cannot be reached or refuses, the dataset is public or holds other data, or there is no
            room beside the run. The same call goes on where an upload stopped.
    """
    from huggingface_hub import HfApi

    place = hub.hub_place(uri)
    api = api or HfApi(library_name="voicegen")
    _, folder = open_manifest(run)
    has_card = hub.prepare(api, place, public=public)
    export = folder.resolve().with_name(f".{folder.resolve().name}.push")
    shutil.rmtree(export, ignore_errors=True)  # what a killed process left
    try:
        summary = export_run(run, "hf", export, selection, wanted, called=place.id)
        url = hub.upload(api, export, place, keep_card=has_card)
    finally:
        shutil.rmtree(export, ignore_errors=True)
    return PushSummary(summary, place, url, has_card)
