import itertools
from pathlib import Path

import pytest
import yaml

from voicegen.errors import ConfigError, InputError, ModelError
from voicegen.job.composing import ConfigWords, compose, launch
from voicegen.job.composition import config_folder
from voicegen.quality.checks import CHECKS
from voicegen.tts.backends import SPEECH

CONFIGS = sorted(path.relative_to(config_folder()) for path in config_folder().glob("*/*.yaml"))
NEEDED = {
    "chat/mlx.yaml": ["chat.model=some-model"],
    "chat/openai.yaml": ["chat.model=some-model"],
    "tts/openai.yaml": ["tts.model=some-model"],
    "retrieval/vectordb.yaml": ["retrieval.path=docs.npz"],
}


def composed(*words, **settings):
    return compose(words, settings=settings)


def swept(*words):
    """The jobs of a sweep."""
    jobs = []
    assert launch(ConfigWords(words, multirun=True), lambda config: jobs.append(config) or 0) == 0
    return jobs


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a sweep leaves its multirun.yaml


def at_once():
    """Choices that cover all files of all groups; a preset, which makes choices itself, has none beside it."""
    groups = {group: list(files) for group, files in itertools.groupby(CONFIGS, key=lambda path: path.parent.name)}
    presets = groups.pop("preset")
    return [[path] for path in presets] + [[*filter(None, row)] for row in itertools.zip_longest(*groups.values())]


@pytest.mark.parametrize("paths", at_once(), ids=lambda paths: " ".join(map(str, paths)))
def test_every_config_file_composes(paths):
    words = [[f"{path.parent}={path.stem}", *NEEDED.get(str(path), [])] for path in paths]
    config = compose(itertools.chain.from_iterable(words))
    assert config.name == "default"


def test_a_preset_chooses_the_models_and_the_command_line_overrides_the_preset():
    assert (composed().chat.kind, composed().tts.kind) == ("mlx", "piper")
    assert composed("preset=marvis").tts.kind == "marvis"
    config = composed("preset=marvis", "tts=tone")
    assert (config.chat.model, config.tts.kind) == ("mlx-community/gpt-oss-20b-MXFP4-Q8", "tone")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chat.max_token=3"], "there is no setting chat.max_token: did you mean chat.max_tokens?"),
        (["chat.concurrency=3"], "there is no setting chat.concurrency here: it belongs to chat.kind=openai"),
        (["questions.text_colum=q"], "did you mean questions.text_column?"),
        (["nam=x"], "did you mean name?"),
        (["presett=fake"], "did you mean preset?"),
        (["voicechat=default", "voicechat.steam=true"], "did you mean voicechat.stream?"),
        (["voicechat=default", "voicechat.play=loud"], "voicechat.play='loud': it must be true or false"),
        (["voicechat.stream=true"], "there is no setting voicechat.stream"),
        (["chat=openai", "chat.concurency=3"], "did you mean chat.concurrency?"),
        (["tts=null"], "a group of settings cannot be null: leave it out, or name one of its choices, as in tts=piper"),
        (["~chat"], "chat is missing: give it as chat=..., and leave out ~chat"),
        (["+preset=fake"], "preset is chosen already: write preset=..., without the +"),
        (["+seed=3"], "there is a setting seed already: write seed=..., without the +"),
        (["preset = fake"], "'preset = fake' has spaces around =: write preset=fake"),
        (["seed =a b"], "write 'seed=a b'"),
        (["questions=[a]"], "there is no questions=a: the choices are default"),
        (["preset=fake", "chat.max_token=3"], "did you mean chat.max_tokens? It belongs to chat.kind=openai or mlx"),
        (["seed=abc"], "seed='abc': it must be a whole number"),
        (["tts.speed=fast"], "tts.speed='fast': it must be a number"),
        (["chat.model=null"], "chat.model=null: it must be text"),
        (["chatt=smollm2"], "did you mean chat?"),
        (["chat=smolm2"], "did you mean chat=smollm2?"),
        (["preset=mavis"], "did you mean preset=marvis?"),
        (["+chat.max_tokns=3"], "there is no setting chat.max_tokns: did you mean chat.max_tokens?"),
        (["tts.language=english"], "tts.language: 'english' is no code of a language: give one such as en or pt-BR"),
        (["chat.max_tokens=-3"], "chat.max_tokens=-3: it must be greater than 0"),
        (["tts.speed=fast"], "tts.speed='fast'"),
        (["preset=marvis", "tts.slots=0"], "tts.slots=0: it must be greater than 0 or 'auto'"),
        (["voice.names=alice"], "voice.names='alice': give a list, 'voice.names=[alice]'"),
        (["voice.names=[3]"], "voice.names.0=3: it must be text"),
        (["voice.prompts={me: {audio: me.wav}}"], "voice.prompts.me.transcript is missing"),
        (["voice.prompts={me: me.wav}"], "voice.prompts.me='me.wav': give settings by name"),
        (
            ["voice.prompts={me: {audo: me.wav, transcript: a}}"],
            "there is no setting voice.prompts.me.audo: did you mean voice.prompts.me.audio?",
        ),
        (["voice.prompts.me.audo=me.wav"], "there is no setting voice.prompts.me.audo: did you mean voice.prompts"),
        (["chat=${x}"], "${x} cannot choose a group's settings: name one of its choices, as in tts=piper"),
        (["tts.subtype=MP3"], "tts.subtype='MP3'"),
        (["tts.format=mp3"], "tts.format='mp3': it must be 'wav' or 'flac'"),
        (["tts.format=flac", "tts.subtype=FLOAT"], "FLAC holds whole numbers: set subtype to PCM_16 or PCM_24"),
        (["chat=mlx"], "chat.model has no default: give it as chat.model=..."),
        (["chat.system_prompt=a, b"], "quote the value"),
        (["voice.names=alice]"], "give a list, 'voice.names=[alice]'"),
        (["voice.names=[alice"], "voice.names=[alice is not a list: write 'voice.names=[A, B]'"),
        (["voice.names=[a,]"], "voice.names=[a,] is not a list"),
        (["voice.prompts={me: {audio: a"], "cannot be read: write 'voice.prompts={NAME: VALUE}'"),
        (["tts.speed=1,2"], "tts.speed=1,2: for a list write 'tts.speed=[1,2]'; to try each add --multirun"),
        (["tts.speed='1"], "a quote is missing"),
        (["name=${x"], "a ${...} in it is not whole"),
        (["größe=3"], "there is no setting größe"),
        (["=3"], "=3 is not KEY=VALUE"),
        (["hello", "there"], "hello is not KEY=VALUE"),
        (["hydra.run.dir=x"], "hydra.run.dir has no effect: output_dir=FOLDER says where a run goes"),
        (["hydra.verbose=true"], "hydra.verbose has an effect with --multirun alone"),
        (["name=a/b"], "name: 'a/b' cannot name a run's folder"),
        (["tts.kind=os.system"], f"tts.kind must be one of {', '.join(backend.kind for backend in SPEECH)}"),
        (["chat=mlx", "chat.model=x", "chat.num_answers=3"], "num_answers over 1 needs a temperature over 0"),
    ],
)
def test_every_mistake_is_one_line_that_says_what_to_do(words, message):
    with pytest.raises(ConfigError) as refused:
        compose(words)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_voice_of_ones_own_is_named_on_the_command_line():
    words = [
        "voice.prompts.ada.audio=größe (1).wav",
        "voice.prompts.ada.transcript=2024",
        "++voice.prompts.eve.audio=b",
    ]
    prompts = compose([*words, "voice.prompts.eve.transcript=Hi."]).voice.prompts
    assert {name: (str(files.audio), files.transcript) for name, files in prompts.items()} == {
        "ada": ("größe (1).wav", "2024"),
        "eve": ("b", "Hi."),
    }


FOLDERS = ["mine", "größe", "a, b", "名前 (1)", "it's", "x=[y]"]


@pytest.mark.parametrize(
    ("folder", "multirun"), [*((folder, False) for folder in FOLDERS), ("a, b", True), ("x=[y]", True)]
)
def test_a_folder_of_ones_own_adds_presets_and_main_configs(folder, multirun):
    own = Path(folder)
    (own / "preset").mkdir(parents=True)
    (own / "preset" / "mine.yaml").write_text("# @package _global_\nseed: 42\nchat: {max_tokens: 7}\n")
    (own / "main.yaml").write_text("defaults: [config, _self_]\ntts: {speed: 1.5}\n")
    jobs = []
    words = ConfigWords(["preset=mine"], config_dir=folder, config_name="main", multirun=multirun)
    assert launch(words, lambda config: jobs.append(config) or 0) == 0
    assert [(job.seed, job.chat.max_tokens, job.tts.speed) for job in jobs] == [(42, 7, 1.5)]


@pytest.mark.parametrize("name", ["config.yaml", "preset/starter.yaml"])
def test_a_config_of_ones_own_that_would_be_ignored_is_refused(name):
    file = Path("own") / name
    file.parent.mkdir(parents=True)
    file.write_text("seed: 3\n")
    with pytest.raises(ConfigError, match=f"{name}: a config of that name comes with voicegen: give it another name"):
        compose([], "own")


def test_a_folder_or_a_main_config_that_is_not_there_is_told():
    Path("own").mkdir()
    Path("own/mine.yaml").write_text("seed: 3\n")
    with pytest.raises(ConfigError, match="the folder of configs nowhere does not exist"):
        compose([], "nowhere")
    with pytest.raises(ConfigError, match="the folder of configs: s3://x is a URL"):
        compose([], "s3://x")
    with pytest.raises(ConfigError, match="there is no config named other: --config-name takes one of config, mine"):
        compose([], "own", "other")


def test_an_option_of_the_own_folder_is_suggested_too():
    Path("own/preset").mkdir(parents=True)
    Path("own/preset/evening.yaml").write_text("# @package _global_\nseed: 3\n")
    with pytest.raises(ConfigError, match="did you mean preset=evening"):
        compose(["preset=evning"], "own")


def test_a_voice_of_ones_own_is_one_setting():
    config = composed("voice.prompts={me: {audio: me.wav, transcript: hello}}", "voice.names=[me]")
    assert config.voice.prompts["me"].transcript == "hello"
    assert (
        composed("+voice.prompts.me={audio: me.wav, transcript: hello}").voice
        == composed("voice.prompts={me: {audio: me.wav, transcript: hello}}").voice
    )


def test_voices_of_ones_own_speak_unless_others_are_named():
    own = "voice.prompts={me: {audio: me.wav, transcript: hello}, you: {audio: you.wav, transcript: hi}}"
    assert composed(own).voice.speaking == ("me", "you")
    assert composed(own, "voice.names=[you]").voice.speaking == ("you",)
    assert composed().voice.speaking == ()


def test_free_text_needs_no_quoting_when_it_is_given_as_a_setting():
    text = 'Don\'t say: "a, b", ${oc.env:HOME} or [c].'
    assert composed(**{"chat.system_prompt": text}).chat.system_prompt == text


@pytest.mark.parametrize(
    ("words", "speaks"),
    [
        ([], True),
        (["voicechat.save_audio=false"], False),
        (["voicechat.save_audio=false", "voicechat.play=true"], True),
        (["voicechat.save_audio=false", "voicechat.record=talks"], True),
    ],
)
def test_a_chat_speaks_unless_nobody_would_hear_it(words, speaks):
    assert compose(["voicechat=default", *words]).voicechat.speaks is speaks


def test_a_sound_card_may_be_given_by_its_number():
    assert compose(["voicechat=default", "voicechat.device=1"]).voicechat.device == "1"


def test_a_runs_settings_hold_nothing_of_a_chat():
    assert compose([]).voicechat is None
    assert not any(key.startswith("voicechat") for key in compose(["voicechat=default"]).identity())


def test_settings_from_flags_hold_where_hydra_runs_the_job_too():
    system_prompt = "Don't say: \"a, b\", ${oc.env:HOME} or [c] \\${d} \\\\' \\"
    flags = {
        "chat.system_prompt": system_prompt,
        "chat.max_tokens": 7,
        "voice.names": ["it's", "b, c"],
        "overwrite": True,
    }
    jobs = []
    assert launch(ConfigWords(["seed=1,2"], flags, multirun=True), lambda config: jobs.append(config) or 0) == 0
    given = [(job.chat.system_prompt, job.chat.max_tokens, job.voice.names, job.overwrite) for job in jobs]
    assert given == [(system_prompt, 7, ("it's", "b, c"), True)] * 2


def test_a_sweep_runs_one_job_for_each_combination_in_folders_of_their_own():
    jobs = swept("preset=fake", "seed=1,2", "tts.speed=1.0,1.5")
    assert sorted((job.seed, job.tts.speed) for job in jobs) == list(itertools.product((1, 2), (1.0, 1.5)))
    assert len({job.output_dir for job in jobs}) == 4
    assert all(Path("outputs/default") in job.output_dir.parents for job in jobs)


def test_a_sweep_keeps_the_name_that_it_is_given():
    jobs = swept("preset=fake", "name=größe", "tts.speed=0.9,1.2")
    assert [str(job.output_dir) for job in jobs] == ["outputs/größe/tts.speed=0.9", "outputs/größe/tts.speed=1.2"]


def test_a_sweep_over_names_uses_the_names_folders():
    assert [str(job.output_dir) for job in swept("preset=fake", "name=a,2024")] == ["outputs/a", "outputs/2024"]


def test_what_is_the_same_for_the_whole_sweep_is_not_in_its_folders_names():
    prompts = "voice.prompts={me: {audio: me.wav, transcript: hi}}"
    assert [job.output_dir.name for job in swept("preset=fake", prompts, "seed=1,2")] == ["seed=1", "seed=2"]


def test_a_sweep_over_long_texts_has_names_that_a_disk_can_hold():
    texts = [f"{'lang und größer ' * 30}{end}" for end in "ab"]
    one, two = swept("preset=starter", "chat.system_prompt=" + ",".join(f"'{text}'" for text in texts))
    assert [one.chat.system_prompt, two.chat.system_prompt] == texts
    assert one.output_dir != two.output_dir
    assert all(len(job.output_dir.name.encode()) < 200 for job in (one, two))
    again, _ = swept("preset=starter", "chat.system_prompt=" + ",".join(f"'{text}'" for text in texts))
    assert again.output_dir == one.output_dir


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chat.max_token=3,4"], "did you mean chat.max_tokens?"),
        (["questions.path=größe.csv,b.csv"], """write 'questions.path="größe.csv","b.csv"', or"""),
        (["hydra.sweep.dir=x", "seed=1,2"], "hydra.sweep.dir has no effect"),
    ],
)
def test_a_mistake_in_a_sweep_is_one_line_too(words, message):
    with pytest.raises(ConfigError) as refused:
        swept(*words)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (["tts.speed=1,9"], ["no job was started: tts.speed=9: it must be"]),
        (
            ["tts.speed=1,8,9"],
            ["no job was started: tts.speed=8: it must be", "(1 more of the jobs cannot be run either)"],
        ),
        (["chat.num_answers=1", "tts.speed=9", "seed=1,2"], ["tts.speed=9: it must be"]),
    ],
)
def test_no_job_of_a_sweep_is_started_before_the_settings_of_all_are_known_to_be_possible(words, messages):
    started = []
    with pytest.raises(ConfigError) as refused:
        launch(ConfigWords(["preset=fake", *words], multirun=True), lambda config: started.append(config) or 0)
    assert all(message in str(refused.value) for message in messages)
    assert not started


def test_no_job_of_a_sweep_is_started_where_the_command_refuses_one():
    def check(config):
        if config.seed == 2:
            raise InputError("q.csv: row 7 is empty")

    started = []
    with pytest.raises(ConfigError, match=r"^no job was started: seed=2: q\.csv: row 7 is empty$"):
        launch(ConfigWords(["seed=1,2"], multirun=True), lambda config: started.append(config) or 0, check)
    assert not started


def test_a_job_of_a_sweep_that_ends_early_is_told_of_and_the_others_go_on(capsys):
    def action(config):
        if config.seed == 1:
            raise ModelError("no such model")
        return 3

    assert launch(ConfigWords(["seed=1,2"], multirun=True), action) == 3
    assert capsys.readouterr().err == "voicegen: no such model\n"


def test_a_sweep_is_not_run_when_its_settings_are_asked_for():
    with pytest.raises(ConfigError, match="leave one of them out"):
        launch(ConfigWords(["seed=1,2"], show=True, multirun=True), lambda config: 1)


@pytest.mark.parametrize("word", ["name=größe", "name=my run (1)", "name=2024"])
def test_the_settings_are_shown_as_they_were_typed(word, capsys):
    assert launch(ConfigWords([word], show=True), lambda config: 1) == 0
    assert yaml.safe_load(capsys.readouterr().out)["name"] == word.removeprefix("name=")


def test_marvis_generates_what_the_checkpoint_has_by_default():
    assert composed("preset=marvis").tts.codebooks is None


def test_where_and_how_fast_is_no_part_of_the_identity():
    one = composed("preset=marvis", "tts.device=cpu", "tts.slots=4", "chat.batch_size=8", "name=a")
    other = composed("preset=marvis", "tts.device=cuda", "tts.slots=64", "executor.queue_size=3", "name=b")
    assert one.identity() == other.identity()
    assert one.identity() != composed("preset=marvis", "tts.codebooks=8").identity()


def test_only_checks_that_are_on_are_part_of_the_identity_and_runs_from_before_them_are_of_quality_off():
    off = composed("quality=off")
    assert not any(key.startswith("quality") for key in off.identity())
    off_by_hand = ["quality.max_attempts=1", *(f"quality.checks.{check.name}=null" for check in CHECKS)]
    off_by_hand.append("quality.finish=null")
    assert composed(*off_by_hand).identity() == off.identity()
    on = composed("quality=basic").identity()
    assert on["quality.max_attempts"] == 3
    assert "quality.checks.level.rules" in on
    without = composed("quality=basic", "quality.checks.level=null").identity()
    assert without == {key: value for key, value in on.items() if not key.startswith("quality.checks.level.")}


def test_stop_strings_are_a_list_and_part_of_the_identity():
    stopping = composed('chat.stop=["###"]')
    assert stopping.chat.options.stop == ("###",)
    assert stopping.identity() == {**composed().identity(), "chat.stop": ["###"]}  # runs from before it go on
    assert composed("chat=openai", "chat.model=m", "chat.stop=[END]").chat.options.stop == ("END",)
    for wrong in ("chat.stop=END", 'chat.stop=[""]', "chat.stop=[5]"):
        with pytest.raises(ConfigError, match=r"chat\.stop.*a list of strings, none of them empty"):
            composed(wrong)


def test_what_is_skipped_is_part_of_the_identity_and_runs_from_before_it_go_on():
    assert composed("text.url=skip").identity() == {**composed().identity(), "text.url": "skip"}
    assert composed("text.rewrite=chat").identity() == {**composed().identity(), "text.rewrite": "chat"}
    assert not any(key.startswith("text.") for key in composed().identity())
    with pytest.raises(ConfigError, match=r"text\.code='no': it must be 'read' or 'skip'"):
        composed("text.code=no")


def test_ready_answers_leave_the_chat_model_out_of_the_identity():
    ready = "questions.answer_column=answer"
    assert composed(ready).identity() == composed(ready, "chat=echo").identity()
    assert composed().identity() != composed("chat=echo").identity()


@pytest.mark.parametrize("name", ["..", ".", "a/b"])
def test_a_name_that_leads_out_of_the_outputs_is_refused(name):
    with pytest.raises(ConfigError, match="cannot name a run's folder"):
        compose([f"name={name}"])


def test_a_name_may_begin_with_dots():
    assert compose(["name=..mine"]).name == "..mine"


def test_a_tilde_is_the_home_folder_in_every_path(monkeypatch):
    monkeypatch.setenv("HOME", "/homes/ada")
    job = compose(["output_dir=~/run", "questions.path=~/q.csv", "chat.model=~/models/chat"])
    assert (str(job.output_dir), str(job.questions.path)) == ("/homes/ada/run", "/homes/ada/q.csv")
    assert job.chat.model == "/homes/ada/models/chat"
    prompt = {"voice.prompts": {"ada": {"audio": "~/ada.wav", "transcript": "Hello."}}}
    assert str(compose([], settings=prompt).voice.prompts["ada"].audio) == "/homes/ada/ada.wav"


@pytest.mark.parametrize("url", ["s3://bucket/run", "https://example.org/q.csv", "file:///q.csv"])
def test_a_url_where_a_path_belongs_is_refused(url):
    with pytest.raises(ConfigError, match=f"text.pronounce: {url} is a URL"):
        compose([], settings={"text.pronounce": url})


def test_the_input_and_the_run_may_be_at_a_url():
    assert str(compose(["output_dir=s3://bucket/${name}", "name=r"]).output_dir) == "s3://bucket/r"
    assert str(compose(["questions.path=s3://bucket/q*.csv"]).questions.path) == "s3://bucket/q*.csv"
    assert compose(["questions.path=file:///data/q.csv"]).questions.path == Path("/data/q.csv")


@pytest.mark.parametrize(
    "path",
    [
        "größe.csv",
        "名前.csv",
        "my file (1).csv",
        "it's.csv",
        "dir [x]/q.csv",
        "a\\'b.csv",
        "2024",
        "1_0",
        "007",
        "[x].csv",
        "data/**/*.csv",
        "{y}",
        "'q",
    ],
)
def test_a_value_is_taken_as_it_was_typed(path):
    assert str(compose([f"questions.path={path}"]).questions.path) == path


def test_the_input_may_be_a_list_of_paths(monkeypatch):
    monkeypatch.setenv("HOME", "/homes/ada")
    monkeypatch.setenv("DATA", "/data")
    for word in ("[~/q.csv,b (1).csv]", "['~/q.csv','b (1).csv']", ["~/q.csv", "b (1).csv"]):
        given = {"settings": {"questions.path": word}} if isinstance(word, list) else {}
        job = compose([] if given else [f"questions.path={word}"], **given)
        assert job.questions.path == (Path("/homes/ada/q.csv"), Path("b (1).csv"))
    assert compose(["questions.path=[${oc.env:DATA}/q.csv]"]).questions.path == (Path("/data/q.csv"),)
    assert list(map(str, compose(["questions.path=[a.csv,s3://b/q.csv]"]).questions.path)) == ["a.csv", "s3://b/q.csv"]
    with pytest.raises(ConfigError, match=r"for a list write 'questions.path=\[a.csv,b.csv\]'; to try each add"):
        compose(["questions.path=a.csv,b.csv"])


def test_a_list_of_texts_is_taken_as_it_was_typed():
    assert compose(["voice.names=[größe, it's, my (1)]"]).voice.names == ("größe", "it's", "my (1)")


def test_text_that_looks_like_a_number_is_text():
    job = compose(["name=2024", "questions.text_column=1", "questions.id_column=true", "questions.answer_column=null"])
    assert (job.name, job.questions.text_column, job.questions.id_column) == ("2024", "1", "true")
    assert job.questions.answer_column is None


def test_a_config_that_is_no_yaml_is_refused_with_its_line():
    Path("own/preset").mkdir(parents=True)
    Path("own/preset/bad.yaml").write_text("a: [1\nb: :\n")
    with pytest.raises(ConfigError, match=r"own/preset/bad\.yaml, line 2: no YAML: expected"):
        compose(["preset=bad"], "own")
