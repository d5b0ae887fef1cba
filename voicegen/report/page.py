"""Puts the page together: one HTML file that runs no script but its own, and asks the network for nothing."""

from __future__ import annotations

import hashlib
import html
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from string import Template
from typing import Any

from voicegen.report.pair import RunPair
from voicegen.report.rows import RunRows

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = (
    "packed.js",
    "words.js",
    "charts.js",
    "marks.js",
    "table.js",
    "player.js",
    "detail.js",
    "pair.js",
    "page.js",
)
_STYLES = ("page.css",)


def page(rows: RunRows) -> Iterator[str]:
    """The page of a run, piece by piece."""
    return _put_together(rows.name, rows.head(), _blocks(rows))


def page_of_two(pair: RunPair) -> Iterator[str]:
    """The page of two runs side by side, piece by piece."""
    blocks = chain(_blocks(pair.after), _blocks(pair.before, "before-"))
    return _put_together(f"{pair.before.name} and {pair.after.name}", pair.head(), blocks)


def _put_together(title: str, head: Mapping[str, Any], blocks: Iterator[str]) -> Iterator[str]:
    """The pieces in their order.

    What is not ours is inside packed blocks, as base64, where no browser looks for markup; the script puts it in the
    page as text alone.
    """
    script, style = (_joined(names) for names in (_SCRIPTS, _STYLES))
    template = Template(_asset("page.html"))
    before, after = template.substitute(
        policy=_policy(script, style),
        title=html.escape(f"{title} · voicegen"),
        style=style,
        script=script,
        head=_block("head", _json(head)),
        blocks="\0",
    ).split("\0")
    yield before
    yield from blocks
    yield after


def _blocks(rows: RunRows, prefix: str = "") -> Iterator[str]:
    for number, texts in enumerate(rows.texts()):
        yield _block(f"{prefix}texts-{number}", _json(texts))
    for number, pictures in enumerate(rows.pictures()):
        yield _block(f"{prefix}pictures-{number}", pictures)


def _policy(script: str, style: str) -> str:
    """What the browser is to allow: this script and style, and audio beside the page or in a file that it is given."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'sha256-{_sha256(script)}'",
            f"style-src 'sha256-{_sha256(style)}'",
            "media-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _block(name: str, data: bytes) -> str:
    packed = b64encode(zlib.compress(data, 3)).decode("ascii")
    return f'<script type="application/octet-stream" id="{name}">{packed}</script>\n'


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def _sha256(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _joined(names: tuple[str, ...]) -> str:
    return "\n" + "\n".join(_asset(name) for name in names)


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")
