"""Takes and what was recognized of them, kept in a folder: a bench that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from voicegen.protocols import SpeechModel
from voicegen.quality.apart import Workers
from voicegen.quality.check import CheckSettings, CheckSpec
from voicegen.records import Speech, Utterance


def kept_takes(model: SpeechModel, utterances: Sequence[Utterance], folder: Path | None) -> list[Speech]:
    """A take of each utterance, in their order; spoken where the folder has none."""
    if folder is None:
        return _spoken(model, utterances)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{_digest(model.info.id, each.voice, each.text, each.seed)}.npy" for each in utterances]
    missing = [place for place, path in enumerate(paths) if not path.exists()]
    for begin in range(0, len(missing), 32):
        places = missing[begin : begin + 32]
        for place, take in zip(places, _spoken(model, [utterances[place] for place in places]), strict=True):
            np.save(paths[place], take.samples)
    takes = zip(utterances, paths, strict=True)
    return [Speech(utterance, np.load(path), model.sample_rate) for utterance, path in takes]


def _spoken(model: SpeechModel, utterances: Sequence[Utterance]) -> list[Speech]:
    takes: list[Speech | None] = [None] * len(utterances)
    for take in model.speak(replace(utterance, index=place) for place, utterance in enumerate(utterances)):
        if not isinstance(take, Speech):
            raise SystemExit(take.error)
        place = take.utterance.index
        takes[place] = replace(take, utterance=utterances[place])
    return [take for take in takes if take is not None]


class KeptWorkers(Workers):
    """Workers whose scores are kept in a file, by the checks' settings without rules, the text and the samples."""

    def __init__(
        self, checks: Sequence[tuple[CheckSpec[Any], CheckSettings]], number: int, folder: Path | None
    ) -> None:
        super().__init__(checks, number)
        self._settings = json.dumps(
            [(spec.name, its.model_dump(mode="json", exclude={"rules"})) for spec, its in checks]
        )
        self._file = None if folder is None else folder / "scores.jsonl"
        self._known: dict[str, dict[str, Any]] = {}
        if self._file is not None and self._file.exists():
            self._known = dict(json.loads(line) for line in self._file.read_text().splitlines())

    def measure(self, takes: Sequence[Speech]) -> list[dict[str, Any]]:
        """As `Workers` does; what is known is not measured again."""
        names = [_digest(self._settings, take.utterance.text, take.samples.tobytes().hex()) for take in takes]
        new = {name: take for name, take in zip(names, takes, strict=True) if name not in self._known}
        found = dict(zip(new, super().measure(list(new.values())), strict=True))
        self._known |= found
        if self._file is not None and found:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a") as file:
                file.writelines(json.dumps(each) + "\n" for each in found.items())
        return [self._known[name] for name in names]


def _digest(*parts: object) -> str:
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24]
