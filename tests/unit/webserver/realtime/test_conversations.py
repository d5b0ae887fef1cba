from voicegen.chat.conversation.session import ChatSession
from voicegen.chat.echo import EchoChatModel
from voicegen.webserver.realtime.conversations import Conversation, Conversations, said_by
from voicegen.webserver.realtime.session import Session


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def conversations(clock, clients=1, keep=60.0):
    model = EchoChatModel()
    return Conversations(lambda: Conversation(Session(None, 10, None), ChatSession(model)), clients, keep, clock)


def test_a_conversation_waits_so_long_for_its_client_and_no_longer():
    clock = Clock()
    kept = conversations(clock)
    one = kept.open(None)
    one.leave = lambda: None
    clock.now = 1000
    assert kept.open(one.id) is one  # its client is there
    kept.left(one)
    clock.now = 1059
    assert kept.open(one.id) is one
    clock.now = 1061
    assert kept.open(one.id) is not one


def test_of_those_that_wait_the_ones_that_left_first_are_forgotten():
    clock = Clock()
    kept = conversations(clock)
    opened = []
    for second in range(6):
        clock.now = second
        one = kept.open(None)
        one.leave = lambda: None
        opened.append(one)
    for second, one in enumerate(opened):
        clock.now = 10 + second
        kept.left(one)
    assert [kept.open(one.id) is one for one in opened] == [False, False, True, True, True, True]


def test_names_of_conversations_cannot_be_guessed():
    kept = conversations(Clock())
    names = {kept.open(None).id for _ in range(3)}
    assert min(map(len, names)) > 30


def test_how_much_was_said_by_when_is_told_between_the_marks():
    marks = [(1000.0, 20), (3000.0, 60)]
    assert [said_by(marks, ms) for ms in (0, 500, 1000, 2000, 9000)] == [0, 10, 20, 40, 60]
    assert said_by([], 100) == 0
