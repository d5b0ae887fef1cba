"""Pages of ours as a person has them: opened from the disk in a real Chromium, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: apt-get install chromium")


@contextmanager
def chromium(*flags: str) -> Iterator[Any]:
    """The browser, which plays sound without being asked to."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", *flags]
        )
        yield browser
        browser.close()


@contextmanager
def opened(file: Path, clips: Path, browser: Any, **window: Any) -> Iterator[Any]:
    """The page of a file; it must have said nothing and asked for nothing but `clips`, below a folder, by the end."""
    said: list[str] = []
    asked: list[str] = []
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **window})
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((clips.as_uri(), "blob:"))] == []
