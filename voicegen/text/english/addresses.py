"""Web and mail addresses, paths, file names, versions, telephone numbers and identifiers as people say them."""

from __future__ import annotations

import re

from voicegen.text.english.numbers import cardinal, digits
from voicegen.text.english.rules import kind, number_rule, rule

_MARKS = {
    ".": "dot", "/": "slash", "\\": "backslash", "-": "dash", "_": "underscore", ":": "colon", "@": "at",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash", "~": "tilde", "%": "percent", "+": "plus",
    "*": "star", ",": "comma",
}  # fmt: skip
_VERSIONED = (
    "Python|Node|Ruby|Java|PHP|Go|Rust|iOS|Android|macOS|Ubuntu|Debian|Fedora|Windows|Django|Rails|React|Angular|Vue|"
    "PyTorch|TensorFlow|CUDA|Kubernetes|PostgreSQL|Postgres|MySQL|SQLite|GCC|Clang|CMake|npm|Perl|Scala|Kotlin|Swift|"
    "TypeScript|Linux|kernel|HTTP|TLS|USB|Bluetooth|OpenGL|Docker|Git|pip|numpy|NumPy|pandas|Spark|Kafka|Redis|Unity"
)
_TOP = (
    "com|org|net|edu|gov|mil|io|ai|dev|app|co|uk|de|fr|eu|us|ca|au|jp|cn|in|ch|nl|se|no|it|es|info|biz|me|tv|xyz|tech|"
    "wiki|int|ly|gg|so|sh|ac"
)
_EXTENSIONS = (
    "py|js|ts|jsx|tsx|c|h|cpp|hpp|cc|rs|go|java|kt|swift|rb|php|sh|bash|zsh|html|css|scss|json|jsonl|yaml|yml|toml|ini|"
    "cfg|conf|xml|csv|tsv|txt|md|rst|pdf|docx?|xlsx?|pptx?|png|jpe?g|gif|svg|webp|mp3|mp4|wav|flac|ogg|zip|tar|gz|log|"
    "parquet|db|sql|exe|dll|lock|env|ipynb|bat|ps1|safetensors|gguf|onnx|bin|pt|npz"
)
_SPOKEN_EXTENSIONS = {
    "py",
    "html",
    "json",
    "yaml",
    "toml",
    "bash",
    "swift",
    "java",
    "log",
    "zip",
    "tar",
    "bin",
    "conf",
    "lock",
    "bat",
}


def spelled(written: str, most_digits: int = 4) -> str:
    """Words, numbers and marks one after another: `/usr/lib64` as "slash usr slash lib sixty-four".

    Numbers of more digits than `most_digits` are said digit by digit.
    """
    parts = re.findall(r"[^\W\d_]+|\d+|_|[^\w\s]", written)
    said = []
    for part in parts:
        if part.isdecimal():
            said.append(cardinal(int(part)) if len(part) <= most_digits and part[0] != "0" else digits(part))
        else:
            said.append(_MARKS.get(part, part if part.isalpha() else ""))
    return " ".join(word for word in said if word)


@rule(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*)://|mailto:)(?P<address>[^\s<>\"'`]+)|(?<![\w@.])www\.(?P<bare>[^\s<>\"'`]+)",
    re.IGNORECASE,
)
def _url(url: re.Match[str]) -> str:
    address = url["address"] or f"www.{url['bare']}"
    end = len(re.sub(r"[.,;:!?'”’*_]+$", "", address))
    while end and address[end - 1] in ")]}" and address.count("(", 0, end) < address.count(")", 0, end):
        end = len(re.sub(r"[.,;:!?'”’*_]+$", "", address[: end - 1]))
    address, tail = address[:end], address[end:]
    address = re.sub(r"^www\.", "w w w dot ", address.rstrip("/"))
    return spelled_address(address) + tail


def spelled_address(address: str) -> str:
    """An address, whose ready words are kept."""
    return " ".join(spelled(piece) if re.search(r"[\W\d_]", piece) else piece for piece in address.split(" "))


@rule(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+(?<![.-])")
def _mail(address: re.Match[str]) -> str:
    return spelled(address[0], most_digits=2)


@rule(
    rf"(?<![\w@./-])(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+(?:{_TOP})(?P<path>/[\w./?=&%#~+-]*[\w/])?(?![\w-]"
    r"|\.\w)"
)
def _domain(address: re.Match[str]) -> str | None:
    if re.fullmatch(r"(?:[A-Z]\.)+[A-Za-z]+", address[0]) or re.fullmatch(r"[ap]\.m", address[0], re.IGNORECASE):
        return None
    return spelled(address[0].rstrip("/"))


@number_rule(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5}|/\d{1,2})?(?![\w.]*\w)")
def _ip_address(address: re.Match[str]) -> str:
    return re.sub(r"\s+", " ", spelled(address[0]))


@rule(
    r"(?<![\w/<.)\]])(?:~|\.{1,2})?(?:/[\w.@+-]+)+/?(?<![.])(?=[\s.,;:!?)\"'”’]|$)|(?<!\w)[A-Za-z]:\\[\w\\. -]*[\w\\]"
)
def _path(path: re.Match[str]) -> str | None:
    if path[0].count("/") == 1 and re.fullmatch(r"/[a-z]{1,3}", path[0]):
        return None  # "km /h"
    return spelled(path[0].rstrip("/") or "/")


@rule(rf"(?<![\w/.])(?P<name>[\w-]*)\.(?P<extension>{_EXTENSIONS})(?![\w/]|\.\w)")
def _file(file: re.Match[str]) -> str | None:
    name, extension = file["name"], file["extension"]
    if name.isdecimal() or (not name and extension in ("c", "h", "go", "in", "db", "so")):
        return None
    if len(name) == 1 and len(extension) == 1:
        return None  # initials
    said = extension if extension in _SPOKEN_EXTENSIONS else " ".join(extension.upper())
    return f"{spelled(name)} dot {said}".strip()


@rule(
    r"(?<![\w.])(?P<word>[Vv]ersions?|v|V|[Rr]elease)(?P<gap>[ .]?)(?P<first>\d+)(?P<rest>(?:\.\d+)+|)(?P<suffix>-?"
    r"(?:alpha|beta|rc)\.?\d*)?(?![\w]|\.\d)"
)
def _version(version: re.Match[str]) -> str | None:
    if version["word"] in "vV" and version["gap"]:
        return None
    word = "version" if version["word"] in "vV" else version["word"]
    suffix = " " + spelled(version["suffix"].lstrip("-")) if version["suffix"] else ""
    return f"{word} {_dotted(version['first'] + version['rest'])}{suffix}"


@rule(rf"\b(?P<name>(?:{_VERSIONED}) )(?P<version>\d+\.\d+)(?![\w%]|[,.]\d)")
def _version_of_a_product(version: re.Match[str]) -> str:
    return version["name"] + _dotted(version["version"])


@number_rule(r"(?<![\w.,:$€£-])(?!(?:\d\.)?\d{3}\.\d{3}\.\d{4}(?!\d))\d+(?:\.\d+){2,}(?![\w]|[.,]\d)")
def _dotted_numbers(version: re.Match[str]) -> str:
    return _dotted(version[0])


def _dotted(version: str) -> str:
    return " point ".join(
        digits(part) if part[0] == "0" and part != "0" else cardinal(int(part)) for part in version.split(".")
    )


@rule(r"(?<![\w.$-])(?P<name>\$?[A-Za-z]\w*(?:_\w+)+|_+\w*[A-Za-z]\w*)(?:\(\))?(?!\w)")
def _snake_case(name: re.Match[str]) -> str:
    return re.sub(r"_+", " ", name["name"]).strip()


@rule(r"(?<![\w.$/])(?<!\d )(?P<name>[a-z]+(?:[A-Z][a-z]+)+|(?:[A-Z][a-z]+){2,}(?=\(\)))(?:\(\))?(?!\w)")
def _camel_case(name: re.Match[str]) -> str | None:
    if name["name"] in _NAMES:
        return None
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name["name"])


_SHELL = {"HOME", "PATH", "USER", "SHELL", "PWD", "TERM", "LANG", "HOST"}
_NAMES = {
    "iPhone",
    "iPad",
    "iPod",
    "iMac",
    "iCloud",
    "iTunes",
    "eBay",
    "iOS",
    "macOS",
    "eBook",
    "eMail",
    "iMessage",
    "iWatch",
}


@rule(r"(?<![\w])(?P<sign>[@#])(?P<name>\d*[A-Za-z]\w*)|(?<![\w$])\$(?P<ticker>[A-Z]{1,5})(?![\w/])")
def _handle(handle: re.Match[str]) -> str:
    if handle["ticker"]:
        return f"dollar {handle['ticker']}" if handle["ticker"] in _SHELL else " ".join(handle["ticker"])
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Z])|_+", " ", handle["name"])
    return f"{'at' if handle['sign'] == '@' else 'hashtag'} {name}"


@rule(r"(?<![\w&])#(?P<code>[0-9a-fA-F]{6}|[0-9a-fA-F]{3})(?!\w)")
def _colour(colour: re.Match[str]) -> str | None:
    code = colour["code"]
    if code.isdecimal() and len(code) == 3:
        return None  # a number
    return "hash " + " ".join(digits(sign) if sign.isdecimal() else sign.upper() for sign in code)


ADDRESSES = kind(
    "words",
    r"[/\\@.:vV](?:(?<=[/\\@])|(?<=[.:])[\w/]|\d)",
    _url, _mail, _ip_address, _domain, _path, _version, _version_of_a_product, _dotted_numbers, _file,
)  # fmt: skip


NAMES = kind(
    "words", r"[@#_$A-Z](?:(?<=[@#_])|(?<=\$)[A-Z]|(?<=[a-z][A-Z]))",
    _colour, _handle, _snake_case, _camel_case,
)  # fmt: skip
