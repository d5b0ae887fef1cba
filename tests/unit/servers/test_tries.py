import pytest

from voicegen.errors import ModelError
from voicegen.servers.endpoint import Endpoint
from voicegen.servers.failures import ParameterRefused, ServerUnreachable, TryAgain
from voicegen.servers.tries import Tries


def tries_of(retries: int) -> Tries:
    return Tries(Endpoint("m", retries=retries))


def test_a_request_is_tried_as_often_as_the_settings_say_and_tells_how_often_that_was() -> None:
    tries = tries_of(retries=2)
    assert [tries.wait_after(TryAgain("busy", wait=3)) for _ in range(2)] == [3, 3]
    with pytest.raises(TryAgain, match=r"busy \(after 3 tries\)"):
        tries.wait_after(TryAgain("busy", wait=3))


def test_a_reply_that_broke_off_after_its_first_words_is_not_asked_for_again() -> None:
    with pytest.raises(TryAgain, match=r"broke off \(after 1 try\)"):
        tries_of(retries=5).wait_after(TryAgain("broke off"), is_last=True)


def test_a_server_that_is_never_there_ends_all_but_a_question_that_may_fail_does_not() -> None:
    with pytest.raises(TryAgain, match="nobody there"):
        tries_of(retries=1).wait_after(ServerUnreachable("nobody there"), is_last=True)
    with pytest.raises(ModelError, match="nobody there"):
        tries_of(retries=0).wait_after(ServerUnreachable("nobody there"))


def test_what_cannot_be_put_in_another_way_is_refused() -> None:
    with pytest.raises(ParameterRefused, match="no seed"):
        tries_of(retries=5).wait_after(ParameterRefused("no seed", "seed"))
