"""The bench that compares speech servers: every text once, as many at once as it says, and a server that fails."""

import io

import pytest
import soundfile

from tests.bench.peer_servers import main
from tests.openai_server import Exchange, fails, serving
from tests.takes import syllables


def speaks(exchange: Exchange) -> None:
    """Half a second."""
    file = io.BytesIO()
    soundfile.write(file, syllables(0.5), 16_000, format="WAV")
    exchange.send(200, file.getvalue())


def test_each_text_is_asked_for_once_and_the_rate_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(speaks) as script:
        assert main([f"{script.base_url}#m", "--at", "1", "8"]) == 0
    asked = [request.body["input"] for request in script.requests if request.body["input"] != "Yes."]
    assert len(set(asked)) == len(asked) == 16 + 32
    first, second = (line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert [first[1:5], second[1:5]] == [["1", "16", "0", "8.0"], ["8", "32", "0", "16.0"]]
    assert float(second[6]) == pytest.approx(float(second[4]) / float(second[5]), rel=0.2)


def test_a_server_that_gives_no_audio_is_named_and_the_others_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(fails(400, "no such model")) as mute, serving(speaks) as script:
        assert main([f"{mute.base_url}#m", f"{script.base_url}#m", "--at", "4"]) == 1
    _, refused, timed = capsys.readouterr().out.splitlines()
    assert mute.base_url in refused
    assert "no such model" in refused
    assert timed.split()[1:5] == ["4", "16", "0", "8.0"]
