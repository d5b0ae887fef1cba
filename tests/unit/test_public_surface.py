import voicegen


def test_every_public_name_is_found_where_it_is_said_to_be():
    for name in voicegen.__all__:
        assert getattr(voicegen, name) is not None
    assert dir(voicegen) == sorted(voicegen.__all__)


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(voicegen, "no_such_name")


def test_the_voice_chat_is_found_in_its_own_package_too():
    from voicegen import voicechat

    assert voicechat.VoiceChatPipeline is voicegen.VoiceChatPipeline
    assert not hasattr(voicechat, "no_such_name")
