import itertools
import multiprocessing
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
import torchaudio
from torch.utils.data import DataLoader

from tests.finished_rows import FinishedRows, failed_row, spoken_row
from tests.question_files import text_file
from tests.unit.export.runs import finished_run
from voicegen.audio.audio_file import read_audio, write_audio
from voicegen.audio.mel import LogMel
from voicegen.audio.resample import resample
from voicegen.dataset.manifest import Provenance, write_manifest
from voicegen.dataset.questions import QuestionFile
from voicegen.dataset.torch_dataset import SpeechDataset, collate, load_manifest
from voicegen.errors import InputError
from voicegen.store import Store

RATE = 8000
ELSEWHERE = multiprocessing.get_context("forkserver")  # handed the dataset by pickle, as any other process
ELSEWHERE.set_forkserver_preload([__name__])


def tone(length: int) -> np.ndarray:
    return (0.5 * np.sin(np.arange(length) * 0.2)).astype(np.float32)


@pytest.fixture
def run(tmp_path):
    """A finished run of five questions: the third failed, the clip of row i has 400 * (i + 1) samples."""
    questions = text_file(tmp_path / "q.csv", "question,topic\n" + "".join(f"Number {n}?,t{n}\n" for n in range(5)))
    rows = []
    for index in range(5):
        row = spoken_row(index)
        assert row.clip is not None
        clip = replace(row.clip, sampling_rate=RATE, num_samples=400 * (index + 1))
        if index != 2:
            write_audio(tmp_path / "run" / clip.path, tone(clip.num_samples), RATE)
        rows.append(failed_row(2) if index == 2 else replace(row, clip=clip))
    write_manifest(Store(tmp_path / "run"), QuestionFile(questions), FinishedRows(rows), Provenance())
    return tmp_path / "run"


def test_a_row_gives_what_was_spoken_its_audio_and_all_else(run):
    dataset = load_manifest(run)
    text, waveform, rate, row = dataset[1]
    assert (text, rate, row["question"], row["topic"]) == ("Answer 1.", RATE, "Number 1?", "t1")
    assert waveform.dtype == torch.float32
    assert waveform.shape == (800,)
    torch.testing.assert_close(waveform, torch.from_numpy(tone(800)), atol=1e-4, rtol=0)


def test_only_rows_with_audio_are_loaded_unless_asked(run):
    assert [row.row["index"] for row in load_manifest(run)] == [0, 1, 3, 4]
    assert len(load_manifest(run, status=None)) == 5
    assert len(load_manifest(run, status="failed")) == 1
    assert len(load_manifest(run, split="train")) == 4
    assert len(load_manifest(run, split="test")) == 0


def test_the_folder_and_the_manifest_are_the_same_place(run):
    assert load_manifest(str(run / "manifest.parquet"))[0].text == load_manifest(str(run))[0].text


def test_rows_are_counted_from_either_end_and_no_further(run):
    dataset = load_manifest(run)
    assert dataset[-1].row["index"] == 4
    assert torch.equal(dataset[-4].waveform, dataset[0].waveform)
    for index in (4, -5):
        with pytest.raises(IndexError):
            dataset[index]


def test_a_batch_is_padded_with_silence_at_the_end(run):
    dataset = load_manifest(run)
    batch = collate([dataset[1], dataset[0], dataset[2]])
    assert batch.waveforms.shape == (3, 1600)
    assert batch.lengths.tolist() == [800, 400, 1600]
    assert batch.texts == ["Answer 1.", "Answer 0.", "Answer 3."]
    assert batch.sampling_rate == RATE
    assert [row["topic"] for row in batch.rows] == ["t1", "t0", "t3"]
    for waveform, length, index in zip(batch.waveforms, batch.lengths, (1, 0, 2), strict=True):
        assert torch.equal(waveform[:length], dataset[index].waveform)
        assert not waveform[length:].any()


def test_rows_of_different_rates_make_no_batch(run):
    first = load_manifest(run)[0]
    with pytest.raises(ValueError, match=r"\[8000, 16000\]: load the rows with sample_rate=8000"):
        collate([first, first._replace(sampling_rate=16_000)])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_gives_every_row_once_also_in_a_worker(run, workers):
    loader = DataLoader(
        load_manifest(run), batch_size=3, collate_fn=collate, num_workers=workers,
        multiprocessing_context=ELSEWHERE if workers else None,
    )  # fmt: skip
    assert [batch.texts for batch in loader] == [["Answer 0.", "Answer 1.", "Answer 3."], ["Answer 4."]]


def test_a_dataset_can_be_pickled_and_stays_what_it_was_when_the_run_goes_on(run):
    dataset = load_manifest(run)
    (run / "manifest.parquet").unlink()
    again = pickle.loads(pickle.dumps(dataset))
    assert isinstance(again, SpeechDataset)
    assert torch.equal(again[3].waveform, dataset[3].waveform)


def test_a_missing_wav_says_which_and_what_to_do(run):
    (run / "audio/000001.wav").unlink()
    with pytest.raises(InputError, match=r"000001\.wav.*row '1' is missing.*run the same command again"):
        load_manifest(run)[1]


def test_a_wav_cut_short_is_noticed(run):
    path = run / "audio/000004.wav"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"000004\.wav.*manifest says 2000 at 8000"):
        load_manifest(run)[3]


def test_a_row_without_audio_says_its_status(run):
    with pytest.raises(InputError, match="row '2' has status 'failed' and no audio"):
        load_manifest(run, status=None)[2]


def test_a_place_without_a_manifest_says_what_to_give(tmp_path):
    with pytest.raises(InputError, match="there is no manifest"):
        load_manifest(tmp_path)
    with pytest.raises(InputError, match="there is no manifest"):
        load_manifest(tmp_path / "none")


def test_another_parquet_file_is_no_manifest(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "manifest.parquet")
    with pytest.raises(InputError, match="no column 'status'"):
        load_manifest(tmp_path)
    text_file(tmp_path / "manifest.parquet", "torn")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        load_manifest(tmp_path)


def test_rows_of_any_rate_are_resampled_to_one_and_make_a_batch(run):
    dataset = load_manifest(run, sample_rate=16_000)
    batch = collate([dataset[0], dataset[1]])
    assert (batch.sampling_rate, batch.lengths.tolist()) == (16_000, [800, 1600])
    for place, waveform in enumerate(batch.waveforms):
        samples, rate = read_audio(run / dataset[place].row["audio_path"])
        expected = torch.from_numpy(resample(samples, rate, 16_000))
        assert torch.equal(waveform[: len(expected)], expected)


def mel_power(path: Path, sampling_rate: int) -> torch.Tensor:
    """(F, 80): each frame by hand, from a spectrum of its own."""
    samples = torch.from_numpy(resample(*read_audio(path), sampling_rate))
    hop, window = sampling_rate // 100, sampling_rate // 40
    size = {8000: 512, 16_000: 512, 24_000: 1024}[sampling_rate]
    bands = torchaudio.functional.melscale_fbanks(size // 2 + 1, 0.0, sampling_rate / 2, 80, sampling_rate)
    shape = torch.hann_window(window)
    padded = torch.nn.functional.pad(samples, (window // 2, window))
    frames = []
    for start in range(0, len(samples) + 1, hop):
        power = torch.fft.rfft(padded[start : start + window] * shape, size).abs().square()
        frames.append((power @ bands).clamp(min=1e-10))
    return torch.stack(frames)


@pytest.mark.parametrize("sampling_rate", [8000, 16_000, 24_000])
def test_mel_features_are_those_of_each_frame_by_hand(run, sampling_rate):
    dataset = load_manifest(run, features="mel", sample_rate=sampling_rate)
    for text, mel, rate, row in dataset:
        assert (text, rate) == (row["answer_spoken"], sampling_rate)
        torch.testing.assert_close(mel.exp(), mel_power(run / row["audio_path"], rate), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("workers", [0, 1])
def test_mel_features_make_batches_also_in_a_worker(run, workers):
    dataset = load_manifest(run, features="mel", sample_rate=16_000)
    loader = DataLoader(
        dataset, batch_size=4, collate_fn=collate, num_workers=workers,
        multiprocessing_context=ELSEWHERE if workers else None,
    )  # fmt: skip
    [batch] = loader
    assert batch.mels.shape == (4, 26, LogMel.BANDS)
    assert batch.lengths.tolist() == [6, 11, 21, 26]
    assert batch.texts == [row.text for row in dataset]
    for mel, length, row in zip(batch.mels, batch.lengths, dataset, strict=True):
        torch.testing.assert_close(mel[:length], row.mel)
        assert not mel[length:].any()


def test_mel_features_of_a_padded_batch_on_a_device_are_those_of_each_row(run):
    rows = load_manifest(run, sample_rate=16_000)
    batch = collate(list(rows))
    on_device = LogMel(batch.sampling_rate).to("cpu")
    mels, lengths = on_device(batch.waveforms), on_device.frames(batch.lengths)
    for mel, length, row in zip(mels, lengths, load_manifest(run, features="mel", sample_rate=16_000), strict=True):
        torch.testing.assert_close(mel[:length], row.mel, atol=1e-4, rtol=1e-4)


def test_features_and_rates_that_there_are_not_are_refused(run):
    with pytest.raises(ValueError, match="features='mels': they are 'waveform' or 'mel'"):
        load_manifest(run, features="mels")
    with pytest.raises(ValueError, match="sample_rate=0: it is a number of Hz over 0"):
        load_manifest(run, sample_rate=0)


def test_rows_are_counted_grouped_and_filtered_in_pandas(run):
    dataset = load_manifest(run, status=None)
    frame = dataset.to_pandas()
    assert list(frame.columns) == dataset.table.column_names
    assert frame.to_dict("records") == dataset.table.to_pylist()
    assert frame.status.value_counts().to_dict() == {"ok": 4, "failed": 1}
    assert frame.groupby("topic").duration.sum()["t4"] == 2000 / RATE
    assert frame.query("num_samples > 800").id.tolist() == ["3", "4"]
    assert frame.attempts.dtype == "int32[pyarrow]"  # whole numbers, though rows that failed have none


def test_a_small_model_learns_from_a_run(run):
    torch.manual_seed(0)
    loader = DataLoader(load_manifest(run), batch_size=2, shuffle=True, collate_fn=collate)
    model = torch.nn.Linear(80, 80)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for batch in itertools.chain.from_iterable(loader for _ in range(15)):
        frames = batch.waveforms.unfold(1, 80, 80)  # (B, T / 80, 80)
        loss = torch.nn.functional.mse_loss(model(frames[:, :-1]), frames[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])


def test_questions_are_loaded_alone_or_with_their_answers(tmp_path):
    folder = finished_run(tmp_path / "run", ("ok", "failed", "ok"), asked=True)
    questions, answers, pairs = (load_manifest(folder, speak=speak) for speak in ("question", None, "both"))
    assert len(questions) == len(answers) == len(pairs) == 2
    for question, answer, pair in zip(questions, answers, pairs, strict=True):
        asked, _ = soundfile.read(folder / question.row["question_audio_path"], dtype="float32")
        assert (question.text, answer.text) == (question.row["question_spoken"], question.row["answer_spoken"])
        assert torch.equal(question.waveform, torch.from_numpy(asked))
        assert torch.equal(pair.question.waveform, question.waveform)
        assert torch.equal(pair.answer.waveform, answer.waveform)
    batch = next(iter(DataLoader(pairs, batch_size=2, collate_fn=collate, num_workers=1)))
    assert batch.question.lengths.tolist() == [len(row.waveform) for row in questions]
    assert batch.answer.texts == [row.text for row in answers]
    mels = load_manifest(folder, speak="both", features="mel", sample_rate=16_000)[0]
    assert (mels.question.mel.shape[1], mels.answer.sampling_rate) == (80, 16_000)


def test_questions_that_are_not_spoken_are_not_loaded(run):
    with pytest.raises(InputError, match="make the run with speak=both"):
        load_manifest(run, speak="both")


def test_the_rest_of_the_dataset_side_loads_without_torch():
    code = "import sys, voicegen.dataset.questions, voicegen.dataset.manifest; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
