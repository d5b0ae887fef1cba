"""Codes of languages, such as `en`, `en-US` or `zh_CN`."""

from __future__ import annotations


def family(language: str) -> str:
    """The language of a code with or without a country."""
    return language.replace("_", "-").split("-")[0].lower()
