"""Retrieval: the passages of documents that a question is about.

    voicegen index FOLDER --to docs.npz

    VectorDB("docs.npz").query("How is it installed?", k=5)

The public name loads on first use, so that importing this package loads no model library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from voicegen.lazy import lazily

if TYPE_CHECKING:
    from voicegen.retrieval.vdb import VectorDB

__all__ = ["VectorDB"]

__getattr__ = lazily(__name__, {"VectorDB": "voicegen.retrieval.vdb"})
