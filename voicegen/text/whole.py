"""What is whole of an answer that was cut: its sentences, list items, table rows and blocks of code."""

from __future__ import annotations

import re
from typing import Final

from voicegen.text.split import last_sentence_end

_FENCE: Final = re.compile(r" {0,3}(?:`{3,}|~{3,})")
_BLOCK: Final = re.compile(r"\s*(?:$|[-*+•][ \t]|\d+[.)][ \t]|#{1,6}[ \t]|\||>|`{3,}|~{3,})")
_LEADS_ON: Final = re.compile(r"\s*(?:#{1,6}[ \t].*|\*\*[^*]+\*\*:?|\|?[ \t]*[-:|][-:| \t]*|.*[:,;])\s*$")


def whole_sentences(text: str) -> str:
    """`text`, cut somewhere, up to its last whole sentence; "" where none is whole.

    Of a list or a table that is the last whole item or row; a block of code that has no end goes, and a heading or a
    sentence with a colon, to which nothing would follow.
    """
    lines = text.rstrip().splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    cut_in_code = len(fences) % 2 == 1
    last = (fences[-1] if cut_in_code else len(lines)) - 1
    for number in range(last, -1, -1):
        line = lines[number]
        if number in fences:
            return "".join(lines[: number + 1]).rstrip()
        before = "".join(lines[:number])
        is_whole = number < last or cut_in_code
        ends_block = is_whole and (number + 1 == len(lines) or _BLOCK.match(lines[number + 1]) is not None)
        if ends_block and line.strip() and not _LEADS_ON.match(line):
            return f"{before}{line}".rstrip()
        in_code = line.count("`") % 2 == 1
        if end := last_sentence_end(line[: line.rfind("`")] if in_code else line):
            return f"{before}{line[:end]}".rstrip()
    return ""
