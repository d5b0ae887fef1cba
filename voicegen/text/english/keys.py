"""Keys, the options of commands, musical keys, grades, and names that are written with signs, as C++."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal
from voicegen.text.english.rules import alternatives, kind, rule

_KEYS = {
    "Ctrl": "Control", "Cmd": "Command", "Alt": "Alt", "Shift": "Shift", "Esc": "Escape", "Del": "Delete",
    "Option": "Option", "Control": "Control", "Command": "Command", "Win": "Windows", "Meta": "Meta", "Super": "Super",
    "⌘": "Command", "⌥": "Option", "⇧": "Shift", "⌃": "Control",
}  # fmt: skip
_COMMANDS = (
    "ls|git|grep|tar|rm|cp|mv|mkdir|python3?|pip3?|npm|npx|docker|kubectl|ssh|scp|curl|wget|chmod|chown|sed|awk|ps|sudo"
    "|gcc|javac|wc|du|df|apt|brew|uv|pytest|bash|cd|rsync|ffmpeg|conda"
)
_IN_A_COMMAND = re.compile(
    rf"(?<![\w-])(?:(?:{_COMMANDS}) [^;!?\n]{{0,80}}|(?:find|sort|cat|head|tail|kill|node|java|echo|ping|make) )$"
)

_ON_THE_OTHER_SIDE = re.compile(r"[^.!?]*?\w--(?![\w-])")  # of words that are set off --like these--
_SAYS_SO_BEFORE_IT = re.compile(r"(?i)\b(?:flags?|options?|switch(?:es)?|arguments?) $")
_NO_NAMES_OF_OPTIONS = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "he", "she", "it", "we", "you", "they", "his", "her", "its",
    "our", "your", "their", "who", "whom", "whose", "which", "what", "where", "why", "how", "when", "is", "are",
    "was", "were", "be", "has", "had", "and", "or", "but", "nor", "so", "then", "yet", "than", "because", "although",
    "though", "perhaps", "maybe", "even", "just", "very", "too", "still", "never", "always", "almost", "nearly",
    "not", "at", "of", "as", "like", "such", "one", "some", "any",
})  # fmt: skip


@rule(rf"(?<!\w)(?P<keys>(?:(?:{alternatives(_KEYS)})[+-])+)(?P<last>\w+)|(?<!\w)(?P<macs>[⌘⌥⇧⌃]+)(?P<letter>\w)?")
def _keys(keys: re.Match[str]) -> str:
    if keys["macs"]:
        return " ".join([_KEYS[sign] for sign in keys["macs"]] + [keys["letter"] or ""]).strip()
    held = [_KEYS[key] for key in re.split(r"[+-]", keys["keys"]) if key]
    last = _KEYS.get(keys["last"], keys["last"])
    return " ".join([*held, last])


@rule(
    r"(?<![^\s\"'“‘(\[])(?P<dashes>--?)(?P<name>[A-Za-z](?:[\w-]*\w)?)(?![\w-])"
    r"(?P<kind> (?:flag|option|switch|argument)\b)?"
)
def _option(option: re.Match[str]) -> str | None:
    """Of a command, and no dash of a sentence: one is that but where a command or so stands beside it."""
    before, after = option.string[: option.start()], option.string[option.end() :]
    if not (option["kind"] or _SAYS_SO_BEFORE_IT.search(before) or _IN_A_COMMAND.search(before)):
        is_prose = option["name"] in _NO_NAMES_OF_OPTIONS and not after.startswith("=")
        if option["dashes"] == "-" or is_prose or _ON_THE_OTHER_SIDE.match(after):
            return None
    return f"{'dash ' * len(option['dashes'])}{option['name']}{option['kind'] or ''}"


@rule(r"(?<![\w.+])(?P<letter>C|F|J|A|D|G|B|E)(?P<sign>♯|♭|#)(?!\w)")
def _sharp(name: re.Match[str]) -> str:
    return f"{name['letter']} {'flat' if name['sign'] == '♭' else 'sharp'}"


@rule(
    r"(?<![\w+])(?P<name>C|Notepad|g)(?P<plus>\+\+)(?P<year>\d\d)?(?!\w)|(?<![\w+])(?P<grade>[A-F]|Google|Disney"
    r"|LGBTQ?I?A?)\+(?![\w+])"
)
def _plus_plus(name: re.Match[str]) -> str:
    if name["grade"]:
        return f"{name['grade']} plus"
    return f"{name['name']} plus plus" + (f" {cardinal(int(name['year']))}" if name["year"] else "")


@rule(r"(?<!\w)(?P<grade>[A-F])[-−](?=[\s.,;)]|$)(?! \w)")
def _minus_grade(grade: re.Match[str]) -> str:
    return f"{grade['grade']} minus"


@rule(r"(?<![\w.])\.(?P<name>NET|Net)\b")
def _dot_net(_name: re.Match[str]) -> str:
    return "dot NET"


@rule(r"(?P<generic>\b[A-Za-z]\w*)<(?P<inner>\w+(?:, ?\w+)*)>")
def _generic(kind: re.Match[str]) -> str:
    return f"{kind['generic']} of {kind['inner'].replace(',', ' and')}"


KEYS = kind(
    "words",
    r"[+#♯♭<⌘⌥⇧⌃.\-−](?:(?<=[+#♯♭<⌘⌥⇧⌃])|(?<=\.)N|(?<=\b[A-F][-−])|(?<=(?:rl|md|lt|ft|sc|el|on|ol|nd|in|ta|er)-)"
    r"|(?<![^\s\"'“‘(\[-]-)(?=[A-Za-z]))",
    _option, _keys, _sharp, _plus_plus, _minus_grade, _dot_net, _generic,
)  # fmt: skip
