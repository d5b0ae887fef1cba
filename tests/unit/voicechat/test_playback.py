import sys

import numpy as np
import pytest

from voicegen.errors import ConfigError, MissingDependency
from voicegen.voicechat.playback import SilentPlayer, StreamPlayer, sound_card


class Loudspeaker:
    """An output stream that is driven by the test."""

    latency = 0.0

    def __init__(self):
        self.closed = False

    def open(self, sampling_rate, fill):
        self.sampling_rate = sampling_rate
        self.fill = fill
        return self

    def hear(self, size):
        block = np.full(size, 9.0, dtype=np.float32)
        self.fill(block)
        return block.tolist()

    def close(self):
        self.closed = True


@pytest.fixture
def loudspeaker():
    return Loudspeaker()


@pytest.fixture
def player(loudspeaker):
    return StreamPlayer(10, loudspeaker.open, gathered=0.4)  # four samples


def ramp(start, stop):
    return np.arange(start, stop, dtype=np.float32)


def test_nothing_is_heard_until_a_little_audio_has_gathered(player, loudspeaker):
    player.play(ramp(1, 3))
    assert loudspeaker.hear(2) == [0, 0]
    player.play(ramp(3, 6))
    assert loudspeaker.hear(2) == [1, 2]
    assert loudspeaker.hear(3) == [3, 4, 5]


def test_what_has_gathered_is_heard_when_nothing_more_comes_however_little(player, loudspeaker):
    player.play(ramp(1, 3))
    player.finish()
    assert loudspeaker.hear(4) == [1, 2, 0, 0]
    assert player.idle


def test_a_gap_is_silent_and_audio_gathers_anew_before_it_goes_on(player, loudspeaker):
    player.play(ramp(1, 5))
    assert loudspeaker.hear(5) == [1, 2, 3, 4, 0]
    player.play(ramp(5, 7))
    assert loudspeaker.hear(2) == [0, 0]
    player.play(ramp(7, 9))
    assert loudspeaker.hear(4) == [5, 6, 7, 8]


def test_blocks_of_any_size_join_to_the_samples_as_given(player, loudspeaker):
    for start in range(0, 30, 3):
        player.play(ramp(start, start + 3))
    player.finish()
    heard = [sample for size in (1, 7, 2, 11, 9) for sample in loudspeaker.hear(size)]
    assert heard == list(range(30))


def test_stopping_is_heard_with_the_next_block_and_forgets_the_rest(player, loudspeaker):
    player.play(ramp(1, 9))
    loudspeaker.hear(2)
    player.stop()
    assert loudspeaker.hear(3) == [0, 0, 0]
    assert player.idle
    player.play(ramp(20, 24))
    assert loudspeaker.hear(4) == [20, 21, 22, 23]


def test_a_player_is_busy_until_the_last_sample_has_come_through_the_sound_card(player, loudspeaker):
    assert player.idle
    player.play(ramp(1, 5))
    player.finish()
    assert not player.idle
    loudspeaker.latency = 3600.0
    loudspeaker.hear(8)
    assert not player.idle
    player.stop()
    assert player.idle


def test_closing_gives_the_sound_card_back(player, loudspeaker):
    player.close()
    assert loudspeaker.closed
    assert loudspeaker.sampling_rate == 10


def test_without_playback_everything_counts_as_heard():
    player = SilentPlayer()
    player.play(ramp(0, 10))
    assert player.idle


class Portaudio:
    """As much of the module sounddevice as is used."""

    class PortAudioError(Exception):
        pass

    outputs = ({"name": "Speakers", "max_output_channels": 2, "default_samplerate": 48000.0},)

    class OutputStream(Loudspeaker):
        def __init__(self, samplerate, device, channels, dtype, callback):
            super().__init__()
            if samplerate != 48000:
                raise Portaudio.PortAudioError("Invalid sample rate")
            assert (channels, dtype) == (1, "float32")
            self.callback = callback
            self.started = False

        def start(self):
            self.started = True

    def query_devices(self, device=None, kind=None):
        if kind is None:
            return list(self.outputs)
        if not self.outputs:
            raise self.PortAudioError("Error querying device -1")
        if device not in (None, 0, "Speak"):
            raise ValueError(f"No output device matching {device!r}")
        return self.outputs[0]


@pytest.fixture
def portaudio(monkeypatch):
    module = Portaudio()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


@pytest.mark.parametrize("device", [None, "0", "Speak"])
def test_the_sound_card_is_found_by_number_or_name_and_fed_by_the_player(portaudio, device):
    stream = sound_card(device)(48000, lambda block: block.fill(0.5))
    assert stream.started
    block = np.zeros((4, 1), dtype=np.float32)
    stream.callback(block, 4, None, None)
    assert block.ravel().tolist() == [0.5] * 4


def test_an_unknown_device_is_answered_with_those_there_are(portaudio):
    with pytest.raises(ConfigError, match="called Headset; the outputs are 0: Speakers"):
        sound_card("Headset")


def test_a_machine_without_loudspeakers_is_told_so(portaudio, monkeypatch):
    monkeypatch.setattr(Portaudio, "outputs", ())
    with pytest.raises(ConfigError, match="no audio output"):
        sound_card()


def test_a_rate_that_the_device_refuses_is_answered_with_the_setting_that_helps(portaudio):
    with pytest.raises(ConfigError, match=r"tts\.sample_rate=48000"):
        sound_card()(22050, lambda block: None)


def test_a_missing_package_is_answered_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingDependency, match="uv sync --extra playback"):
        sound_card()
