"""What `voicegen doctor` says of a machine."""

import voicegen.commands.doctor as doctor
from voicegen.cli import main


def test_doctor_tells_how_to_install_what_runs_at_urls_need(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in ("s3fs", "gcsfs") else object())
    assert main(["doctor"]) == 0
    said = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    for url, package, extra in (("s3://", "s3fs", "s3"), ("gs://", "gcsfs", "gcs")):
        assert [url, f"missing {package}: `uv sync --extra {extra}`, or `pip install 'voicegen[{extra}]'`"] in said
