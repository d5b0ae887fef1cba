import hydra
import pytest
from hydra.errors import HydraException

from voicegen.job.composition import composition, config_folders, opened

OURS = config_folders()


def anew(*overrides):
    """What Hydra makes of the overrides, from the files."""
    with opened(OURS):
        return hydra.compose("config", overrides=list(overrides))


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["preset=fake", "name=mine", "seed=7"],
        ["chat.max_tokens=7", "chat=smollm2", "tts=tone", "tts.duration=0.5"],
        ["preset=fake", "quality=basic", "+quality/checks=mos", "quality.checks.pace=null"],
        ["voice.names=[a]", "voice={names:[b]}"],
        ["voice={names:[b]}", "voice.names=[a]"],
        ["name=a", "name=b", "output_dir=${name}/x", "++voice.prompts.me.audio=me.wav"],
        ["~shard.count"],
    ],
)
def test_what_is_kept_of_an_earlier_composition_makes_what_hydra_makes_anew(overrides):
    for _ in range(2):
        assert composition(OURS, "config", overrides) == anew(*overrides)


def test_what_a_caller_does_to_a_composition_is_not_in_the_next():
    first = composition(OURS, "config", ["preset=fake"])
    first.tts.speed, first.name = 3, "changed"
    assert composition(OURS, "config", ["preset=fake"]) == anew("preset=fake")


@pytest.mark.parametrize("overrides", [["nam=x"], ["chat=none"], ["name@x=y"], ["tts.speed=1,2"], ["+seed=3"], ["~x"]])
def test_what_hydra_refuses_is_refused_in_the_same_words(overrides):
    with pytest.raises(HydraException) as of_hydra:
        anew(*overrides)
    with pytest.raises(HydraException) as ours:
        composition(OURS, "config", overrides)
    assert (type(ours.value), str(ours.value)) == (type(of_hydra.value), str(of_hydra.value))
