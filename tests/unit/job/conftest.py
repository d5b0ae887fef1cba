"""Tests of a run look at no report.html, half of what a small run takes: the tests of `voicegen/report` do."""

import pytest


@pytest.fixture(autouse=True)
def _no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicegen.job.run_job.write_report", lambda _store: None)
