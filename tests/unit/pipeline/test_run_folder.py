import json
from pathlib import Path

import pytest

from voicegen.errors import OutputError
from voicegen.pipeline.run_folder import RunFolder, config_hash
from voicegen.store import Store

IDENTITY = {"seed": 0, "chat.model": "m", "input.sha256": "abc"}


def test_a_new_folder_records_what_decides_the_runs_result(tmp_path):
    with RunFolder(Store(tmp_path / "run"), IDENTITY):
        pass
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["identity"] == IDENTITY
    assert record["config_hash"] == config_hash(IDENTITY)


def has_rows(folder):
    (folder / "ledger").mkdir()
    (folder / "ledger" / "00000.jsonl").touch()


def test_the_same_identity_goes_on_and_another_is_refused_with_the_keys_that_differ(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY):
        has_rows(tmp_path)
    with RunFolder(Store(tmp_path), dict(reversed(IDENTITY.items()))):
        pass
    with pytest.raises(OutputError) as refused, RunFolder(Store(tmp_path), {**IDENTITY, "seed": 1, "tts.speed": 1.0}):
        pass
    message = str(refused.value)
    assert "seed: 0 then, 1 now" in message
    assert "tts.speed: null then, 1.0 now" in message
    assert "chat.model" not in message
    assert "overwrite=true" in message


def test_a_changed_input_is_told_by_its_name_and_not_by_its_hash(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY):
        has_rows(tmp_path)
    changed = RunFolder(Store(tmp_path), {**IDENTITY, "input.sha256": "def"}, files={"input.sha256": Path("in/q.csv")})
    with pytest.raises(OutputError, match=r"input\.sha256: in/q\.csv .*has changed") as refused, changed:
        pass
    assert "abc" not in str(refused.value)


def test_overwriting_moves_the_old_run_aside_and_deletes_nothing(tmp_path):
    root = tmp_path / "run"
    with RunFolder(Store(root), IDENTITY):
        (root / "manifest.parquet").write_text("old")
    with RunFolder(Store(root), {**IDENTITY, "seed": 1}, overwrite=True) as folder:
        assert folder.moved_to is not None
        assert (folder.moved_to.root / "manifest.parquet").read_text() == "old"
        assert not (root / "manifest.parquet").exists()
        with pytest.raises(OutputError, match="in use"), RunFolder(Store(root), {**IDENTITY, "seed": 1}):
            pass


def test_two_runs_never_share_a_folder(tmp_path):
    first = RunFolder(Store(tmp_path), IDENTITY)
    in_use = pytest.raises(OutputError, match="in use by another voicegen process")
    with first, in_use, RunFolder(Store(tmp_path), IDENTITY):
        pass
    with RunFolder(Store(tmp_path), IDENTITY):
        pass  # free again


def test_a_start_that_failed_before_its_first_row_binds_nobody(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "wrong"})
    with RunFolder(Store(tmp_path), {**IDENTITY, "seed": 1}) as folder:
        assert folder.models == {}
        assert json.loads((tmp_path / "run.json").read_text())["identity"]["seed"] == 1


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.doc").write_text("precious")
    with (
        pytest.raises(OutputError, match=r"holds files that are no run \(thesis\.doc\)"),
        RunFolder(Store(tmp_path), IDENTITY),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


def test_a_lock_that_a_refused_folder_had_before_stays(tmp_path):
    (tmp_path / "thesis.doc").write_text("precious")
    (tmp_path / ".lock").touch()
    with pytest.raises(OutputError, match="holds files that are no run"), RunFolder(Store(tmp_path), IDENTITY):
        pass
    assert (tmp_path / ".lock").exists()


def test_what_a_killed_start_left_behind_is_no_foreign_file(tmp_path):
    (tmp_path / ".run.json.123.voicegen-tmp").write_text("{")
    (tmp_path / ".lock").touch()
    with RunFolder(Store(tmp_path), IDENTITY):
        assert not (tmp_path / ".run.json.123.voicegen-tmp").exists()


def test_an_unreadable_record_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with (
        pytest.raises(OutputError, match=r"run\.json cannot be read.*overwrite=true"),
        RunFolder(Store(tmp_path), IDENTITY),
    ):
        pass
    with RunFolder(Store(tmp_path), IDENTITY, overwrite=True):
        pass


def test_a_run_without_its_record_is_told_from_foreign_files_and_can_be_moved_aside(tmp_path):
    root = tmp_path / "run"
    with RunFolder(Store(root), IDENTITY):
        has_rows(root)
    (root / "run.json").unlink()
    with (
        pytest.raises(OutputError, match=r"a run whose run\.json is gone: restore it"),
        RunFolder(Store(root), IDENTITY),
    ):
        pass
    with RunFolder(Store(root), IDENTITY, overwrite=True) as folder:
        assert (folder.moved_to.root / "ledger").is_dir()


def test_of_a_group_of_another_kind_only_the_kind_is_told(tmp_path):
    with RunFolder(Store(tmp_path), {"chat.kind": "echo", "seed": 0}):
        has_rows(tmp_path)
    with (
        pytest.raises(OutputError) as refused,
        RunFolder(Store(tmp_path), {"chat.kind": "mlx", "chat.model": "m", "seed": 0}),
    ):
        pass
    assert "chat.kind" in str(refused.value)
    assert "chat.model" not in str(refused.value)


def test_another_model_revision_is_refused_when_a_run_goes_on(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "marvis", "revision": "aaa"})
        has_rows(tmp_path)
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "marvis", "revision": "aaa"})
        with pytest.raises(OutputError, match=r"another tts model \(revision: aaa then, bbb now\)"):
            folder.remember_model("tts", {"id": "marvis", "revision": "bbb"})
        with pytest.raises(OutputError, match=r"pin it with tts\.revision=\.\.\. to go on"):
            folder.remember_model("tts", {"id": "marvis", "revision": "bbb"})


def test_another_precision_is_refused_when_a_run_goes_on(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("chat", {"id": "m", "precision": "bfloat16"})
        with pytest.raises(
            OutputError, match=r"precision: bfloat16 then, float32 now\); set chat\.dtype so that it is bf"
        ):
            folder.remember_model("chat", {"id": "m", "precision": "float32"})


def test_what_an_older_version_did_not_write_down_is_written_down_and_held_from_then_on(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "marvis", "revision": "aaa"})
        has_rows(tmp_path)
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "marvis", "revision": "aaa", "precision": "float32"})
    with RunFolder(Store(tmp_path), IDENTITY) as folder, pytest.raises(OutputError, match="precision: float32 then"):
        folder.remember_model("tts", {"id": "marvis", "revision": "aaa", "precision": "bfloat16"})


def test_a_local_model_that_changed_cannot_be_pinned_and_is_to_be_put_back(tmp_path):
    with RunFolder(Store(tmp_path), IDENTITY) as folder:
        folder.remember_model("tts", {"id": "here", "revision": "local-aaa"})
        with pytest.raises(OutputError, match="put its files back as they were to go on"):
            folder.remember_model("tts", {"id": "here", "revision": "local-bbb"})


def test_a_folder_below_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"), RunFolder(Store(tmp_path / "file" / "run"), IDENTITY):
        pass
