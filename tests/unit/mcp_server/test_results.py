from pathlib import Path

import pytest

from voicegen.job.composing import compose
from voicegen.mcp_server.clips import KeptClip
from voicegen.mcp_server.results import LARGEST, Reach, spoken
from voicegen.quality.verdict import Verdict


def clip(seconds=0.5, size=100):
    return KeptClip("abc.wav", Path("/out/clips/abc.wav"), b"x" * size, seconds, 22_050, "joe", Verdict(), "audio/wav")


def given(audio, made, web=None):
    settings = compose(["preset=fake", "mcp=default", f"mcp.audio={audio}"]).mcp
    result = spoken(made, Reach(settings, web))
    (block,) = result.content[1:]
    return result.structured_content["audio"], block


def test_a_resource_is_a_link():
    audio, block = given("resource", clip())
    assert (audio["uri"], audio["path"]) == ("voicegen://clips/abc.wav", None)
    assert (block.type, block.uri, block.mime_type) == ("resource_link", audio["uri"], "audio/wav")


def test_a_file_is_a_path():
    audio, block = given("files", clip())
    assert (audio["path"], audio["uri"], block.uri) == ("/out/clips/abc.wav", *["file:///out/clips/abc.wav"] * 2)


@pytest.mark.parametrize(("seconds", "kind"), [(0.9, "audio"), (1.1, "resource_link")])
def test_a_clip_is_in_the_message_only_where_it_is_short(seconds, kind):
    _, block = given("inline", clip(seconds))
    assert block.type == kind


def test_a_clip_larger_than_a_message_is_had_over_the_web():
    large = clip(60, LARGEST + 1)
    assert given("resource", large, "http://here/")[0]["uri"] == "http://here/clips/abc.wav"
    assert given("resource", large)[0]["uri"] == "voicegen://clips/abc.wav"
