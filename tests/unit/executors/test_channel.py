import threading

import pytest

from voicegen.executors.channel import Abandoned, Channel, Ended, Round


def in_thread(function):
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def test_items_arrive_in_order_and_then_the_channel_ends():
    channel = Channel(3)
    for number in range(3):
        channel.put(number)
    channel.close()
    assert [channel.get() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(Ended):
        channel.get()


def test_a_full_channel_holds_its_sender_back():
    channel = Channel(2)
    sent = []

    def send():
        for number in range(10):
            channel.put(number)
            sent.append(number)

    sender = in_thread(send)
    received = [channel.get() for _ in range(10)]
    sender.join(5)
    assert received == list(range(10))
    assert not sender.is_alive()


def test_asking_without_waiting_gives_nothing_while_empty():
    channel = Channel(1)
    assert channel.get(wait=False) is None
    channel.put("a")
    assert channel.get(wait=False) == "a"
    channel.close()
    with pytest.raises(Ended):
        channel.get(wait=False)


def test_a_batch_is_what_lies_there_up_to_its_size():
    channel = Channel(5)
    for number in range(5):
        channel.put(number)
    assert channel.get_batch(3) == [0, 1, 2]
    assert channel.get_batch(3) == [3, 4]


def test_giving_up_wakes_a_waiting_sender_and_a_waiting_receiver():
    woken = []
    full, empty = Channel(1), Channel(1)
    full.put(0)

    def wait_on(action):
        try:
            action()
        except Abandoned:
            woken.append(action)

    threads = [in_thread(lambda: wait_on(lambda: full.put(1))), in_thread(lambda: wait_on(empty.get))]
    full.abandon()
    empty.abandon()
    for thread in threads:
        thread.join(5)
    assert len(woken) == 2


def test_a_round_ends_only_when_nothing_is_on_its_way_in_it_any_more():
    channel = Round(2)
    channel.put("a")
    channel.put("b")
    channel.close()
    assert [channel.get(), channel.get()] == ["a", "b"]
    assert channel.get(wait=False) is None
    channel.done()
    channel.put_back("b again")
    assert channel.get() == "b again"
    channel.done()
    with pytest.raises(Ended):
        channel.get()


def test_what_comes_back_waits_for_no_room_and_goes_before_the_others():
    channel = Round(1)
    channel.put("a")
    channel.put_back("b")
    assert [channel.get(), channel.get()] == ["b", "a"]


def test_the_end_of_a_round_wakes_who_waits_for_what_might_have_come_back():
    ended = []

    def wait():
        try:
            channel.get()
        except Ended:
            ended.append(True)

    channel = Round(1)
    channel.put("a")
    channel.get()
    channel.close()
    waiting = in_thread(wait)
    channel.done()
    waiting.join(5)
    assert ended == [True]


def test_a_round_that_was_given_up_takes_nothing_back_and_nothing_behind_a_gate():
    channel = Round(1)
    channel.put("a")
    channel.put_behind("gate", "b", wait=True)
    channel.abandon()
    channel.open("gate")
    with pytest.raises(Abandoned):
        channel.put_back("a")
    with pytest.raises(Abandoned):
        channel.put_behind("gate", "c", wait=True)
    with pytest.raises(Abandoned):
        channel.get(wait=False)


def test_what_is_behind_a_gate_comes_when_that_is_opened_and_keeps_the_round_from_ending():
    channel = Round(1)
    channel.put("a")
    for item in "bc":
        channel.put_behind("gate", item, wait=False)
    channel.put_behind("other gate", "d", wait=False)
    channel.close()
    assert channel.get() == "a"
    channel.done()
    assert channel.get(wait=False) is None
    channel.open("gate")
    assert [channel.get(), channel.get(), channel.get(wait=False)] == ["b", "c", None]
    channel.put_behind("gate", "e", wait=True)
    channel.open("other gate")
    assert [channel.get(), channel.get()] == ["e", "d"]
    for _ in range(4):
        channel.done()
    with pytest.raises(Ended):
        channel.get()


def test_whoever_may_wait_puts_no_more_behind_a_gate_than_the_channel_holds():
    put = []
    full = threading.Event()

    def put_all():
        for item in range(9):
            put.append(item)
            if item == 3:
                full.set()
            channel.put_behind("gate", item, wait=True)

    channel = Round(3)
    putting = in_thread(put_all)
    assert full.wait(5)
    assert channel.get(wait=False) is None
    assert put == [0, 1, 2, 3]
    channel.open("gate")
    putting.join(5)
    assert [channel.get() for _ in range(9)] == list(range(9))
