import threading

import pytest

from voicegen.executors.channel import Abandoned, Channel, Ended


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
