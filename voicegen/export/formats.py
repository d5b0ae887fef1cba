"""The formats that a run can be exported to."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final

from voicegen.errors import ConfigError
from voicegen.export import (
    audiofolder,
    hf,
    kaldi,
    lhotse,
    lhotse_shar,
    ljspeech,
    moshi,
    nemo,
    nemo_duplex,
    webdataset,
)
from voicegen.export.exporter import Exporter

EXPORTERS: Final[Mapping[str, Exporter]] = MappingProxyType(
    {
        module.SPEC.name: module.SPEC
        for module in (hf, audiofolder, webdataset, lhotse, lhotse_shar, nemo, nemo_duplex, moshi, ljspeech, kaldi)
    }
)


def exporter(name: str) -> Exporter:
    """The exporter of that name, ready to write.

    Raises:
        ConfigError: there is none.
        MissingDependency: a package that it needs is not installed.
    """
    if name not in EXPORTERS:
        near = get_close_matches(name, EXPORTERS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the formats are {', '.join(EXPORTERS)}"
        raise ConfigError(f"there is no format {name}: {hint}")
    return EXPORTERS[name].ready()
