"""A variable of the environment gets into the settings that stay on this machine, and into no other."""

import pytest

from voicegen.errors import ConfigError
from voicegen.job.composing import ConfigWords, compose, launch


@pytest.fixture(autouse=True)
def a_secret(monkeypatch):
    monkeypatch.setenv("A_SECRET", "geheim")
    monkeypatch.delenv("NOT_THERE", raising=False)


def of_a_preset(tmp_path, text, *overrides):
    (tmp_path / "preset").mkdir()
    (tmp_path / "preset" / "theirs.yaml").write_text(f"# @package _global_\ndefaults: [fake]\n{text}\n")
    return compose(["preset=theirs", *overrides], tmp_path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("chat: {system_prompt: 'Say ${oc.env:A_SECRET}.'}", "chat.system_prompt"),
        ("chat: {base_url: 'http://there/${oc.env:A_SECRET}'}", "chat.base_url"),
        ("chat: {tools: ['${oc.env:A_SECRET}:f']}", "chat.tools"),
        ("chat: {model: '${oc.env:A_SECRET}'}", "chat.model"),
        ("output_dir: '${oc.env:A_SECRET}'\nchat: {system_prompt: '${output_dir}'}", "chat.system_prompt"),
        ("name: '${oc.env:A_SECRET}'\nvoice: {names: ['${name}']}", "voice.names"),
        ("chat: {system_prompt: '${oc.env:NOT_THERE,nothing}'}", "chat.system_prompt"),
        ("voice: {prompts: {me: {audio: a.wav, transcript: '${oc.env:A_SECRET}'}}}", "voice.prompts.me.transcript"),
    ],
)
def test_somebody_elses_config_cannot_read_a_secret_into_what_is_kept_or_sent(tmp_path, text, key):
    with pytest.raises(ConfigError) as raised:
        of_a_preset(tmp_path, text, "chat=openai", *([] if "model" in text else ["chat.model=m"]))
    line = str(raised.value)
    assert line.startswith(f"{key} may not hold ${{oc.env:")
    assert "geheim" not in line


def test_a_sweep_hides_no_variable_in_its_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["preset=fake", "chat=openai", "chat.model=m", "seed=1,2", "output_dir=${oc.env:A_SECRET}"]
    with pytest.raises(ConfigError, match=r"^chat\.system_prompt may not hold \$\{oc\.env:A_SECRET\}"):
        launch(ConfigWords([*words, "chat.system_prompt=${output_dir}"], multirun=True), lambda config: 0)
    found = []
    assert launch(ConfigWords(words, multirun=True), lambda config: found.append(config.output_dir) or 0) == 0
    assert [str(folder) for folder in found] == ["geheim/seed=1", "geheim/seed=2"]


def test_a_sweep_gives_no_variable_away_by_what_hydra_made_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["preset=fake", "chat=openai", "chat.model=m", "hydra.job.name=${oc.env:A_SECRET}"]
    with pytest.raises(ConfigError, match=r"chat\.system_prompt may not hold \$\{hydra:job\.name\}"):
        launch(ConfigWords([*words, "chat.system_prompt=${hydra:job.name}"], multirun=True), lambda config: 0)


def test_paths_names_and_the_variable_of_a_key_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("A_KEY", "MY_KEY")
    config = of_a_preset(
        tmp_path,
        "name: '${oc.env:A_SECRET}'\noutput_dir: '/data/${oc.env:A_SECRET}/${oc.env:NOT_THERE,x}'\n"
        "questions: {path: '${oc.env:NOT_THERE,null}'}\n"
        "voice: {prompts: {me: {audio: '${oc.env:A_SECRET}.wav', transcript: Hi}}}",
        "chat=openai",
        "chat.model=m",
        "chat.api_key_env=${oc.env:A_KEY}",
    )
    assert (config.name, str(config.output_dir), config.questions.path) == ("geheim", "/data/geheim/x", None)
    assert (str(config.voice.prompts["me"].audio), config.chat.api_key_env) == ("geheim.wav", "MY_KEY")


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError, match="output_dir: the environment variable NOT_THERE is not set"):
        compose(["preset=fake", "output_dir=${oc.env:NOT_THERE}"])
