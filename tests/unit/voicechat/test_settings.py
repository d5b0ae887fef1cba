from pathlib import Path

import pytest

from voicegen.errors import ConfigError
from voicegen.voicechat.settings import VoiceChatSettings, take_settings


def test_settings_are_taken_out_of_the_overrides_of_the_job():
    words = ["chat.model=x", "voicechat.stream=true", "voicechat.device=null", "voicechat.record=talks"]
    settings, rest = take_settings(words, {})
    assert settings == VoiceChatSettings(stream=True, record=Path("talks"))
    assert rest == ["chat.model=x"]


def test_a_flag_wins_over_an_override():
    assert take_settings(["voicechat.device=1"], {"device": "2"})[0].device == "2"


def test_an_unknown_setting_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no setting voicechat\.steam: did you mean voicechat\.stream\?"):
        take_settings(["voicechat.steam=true"], {})


def test_a_value_that_cannot_be_is_named_with_its_key():
    with pytest.raises(ConfigError, match=r"voicechat\.play='loud': input should be a valid boolean"):
        take_settings(["voicechat.play=loud"], {})


@pytest.mark.parametrize(
    ("given", "speaks"),
    [({}, True), ({"save_audio": False}, False), ({"save_audio": False, "play": True}, True)],
)
def test_a_chat_speaks_unless_nobody_would_hear_it(given, speaks):
    assert VoiceChatSettings(**given).speaks is speaks
