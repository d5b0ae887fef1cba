"""The report as a person has it: opened from the disk in a real Chromium."""

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import voicegen
from tests.chromium import chromium, expect, needs_chromium, opened
from voicegen.report import write_report
from voicegen.store import Store

pytestmark = needs_chromium

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\"><b>bold</b> & 'quoted'"
QUESTIONS = [HOSTILE, *(f"What is {number} plus {number}?" for number in range(1, 40))]
WER = [number / 100 for number in range(40)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of forty rows; what a recognizer would add is added to its manifest."""
    folder = tmp_path_factory.mktemp("report")
    with (folder / "q.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["question"], *([text] for text in QUESTIONS)])
    voicegen.run(
        "preset=fake",
        "quality=off",
        settings={"output_dir": str(folder / "a run"), "questions.path": str(folder / "q.csv")},
    )
    root = folder / "a run"
    table = pq.read_table(root / "manifest.parquet")
    heard = ["What, heard otherwise, is 1 plus 1?"] * 40
    times = [{"word": "First", "start": 0.0, "end": 0.2}, {"word": "second", "start": 0.2, "end": 9.0}]
    status = ["ok"] * 38 + ["rejected"] * 2
    for name, cells in (("wer", WER), ("asr_text", heard), ("status", status), ("words", [times] * 5 + [None] * 35)):
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, [pa.array(cells, field.type)])
    pq.write_table(table, root / "manifest.parquet")
    write_report(Store(root))
    return root


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(run, browser):
    """The page, open and whole."""
    with opened(run / "report.html", run, browser) as page:
        yield page


def numbers(page):
    """The numbers of the rows in sight, from the top."""
    found = page.eval_on_selector_all(
        "#rows .row", "rows => rows.map(row => [row.getBoundingClientRect().top, row.firstChild.textContent])"
    )
    return [int(number) for _, number in sorted(found)]


def test_totals_and_histograms_are_there(page):
    assert "40" in page.inner_text("#totals")
    assert "38" in page.inner_text("#totals .ok")
    assert page.locator("#charts figure").count() >= 3


def test_a_clip_loads_and_plays_with_its_waveform_and_spectrogram(page):
    page.keyboard.press("j")
    expect(page.locator(".picture")).to_have_css("height", "198px")
    page.keyboard.press("Space")
    expect(page.locator(".time")).not_to_contain_text("0.0 /")
    assert page.get_attribute(".play", "aria-label") in ("Pause", "Play")
    assert page.inner_text(".player .quiet") == ""
    colours = page.evaluate(
        """() => {
            const canvas = document.querySelector(".picture");
            const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(new Uint32Array(pixels.buffer)).size;
        }"""
    )
    assert colours > 20


def test_hostile_text_is_only_text(page):
    page.click("#rows .row >> nth=0")
    page.wait_for_selector("#detail .text")
    assert HOSTILE in page.inner_text("#detail")
    assert page.locator("img, b").count() == 0
    assert "taken" not in page.title()


def test_the_keys_go_from_row_to_row(page):
    for key in "jjjk":
        page.keyboard.press(key)
    page.wait_for_selector("#detail .heading")
    assert page.inner_text("#detail .heading .number") == "# 1"


def test_worst_first_and_columns_sort_the_table(page):
    page.click("#worst button:has-text('Word errors')")
    assert numbers(page)[:3] == [39, 38, 37]
    page.click("#columns button:has-text('Duration')")
    values = page.eval_on_selector_all("#rows .row .value:nth-child(5)", "cells => cells.map(cell => cell.textContent)")
    assert len(values) > 10
    page.click("#columns button:has-text('#')")
    assert numbers(page)[:3] == [0, 1, 2]


def test_the_search_and_the_filters_choose_rows(page):
    page.fill("#search", "12 PLUS 12")
    expect(page.locator("#count")).to_have_text("1 of 40 rows")
    assert numbers(page) == [12]
    page.fill("#search", "")
    page.select_option("#filters select[aria-label=status]", "rejected")
    expect(page.locator("#count")).to_have_text("2 of 40 rows")
    assert numbers(page) == [38, 39]


def test_a_bar_of_a_histogram_chooses_its_rows(page):
    page.locator("#charts figure:has-text('Word errors') g").last.click()
    chosen = numbers(page)
    assert 39 in chosen
    assert 0 not in chosen
    page.click("#range button")
    assert len(numbers(page)) > len(chosen)


def test_marks_are_kept_and_downloaded_with_what_they_are_of(page, run):
    for key in "jajr":
        page.keyboard.press(key)
        page.wait_for_selector("#detail .mark")
        page.wait_for_timeout(50)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    with page.expect_download() as download:
        page.click("text=Download marks")
    with open(download.value.path(), newline="") as file:  # noqa: PTH123
        rows = list(csv.DictReader(file))
    hashes = pq.read_table(run / "manifest.parquet")["audio_sha256"].to_pylist()
    assert rows == [
        {"index": "0", "id": "0", "audio_sha256": hashes[0], "mark": "accept"},
        {"index": "1", "id": "1", "audio_sha256": hashes[1], "mark": "reject"},
    ]


def test_words_are_followed_while_they_are_played(page):
    page.keyboard.press("j")
    expect(page.locator(".word.said")).to_have_text("First")
    page.click(".word >> nth=1")
    expect(page.locator(".word.said")).to_have_text("second")


def test_what_was_heard_otherwise_is_marked(page):
    page.click("#rows .row:has-text('What is 7 plus 7?')")
    expect(page.locator("#detail ins")).to_contain_text(["heard otherwise,"])


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (820, "light"), (1440, "dark")])
def test_the_page_is_never_wider_than_its_window(browser, run, width, scheme):
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto((run / "report.html").as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(
        "[...document.querySelectorAll('figcaption')].every((each) => each.scrollWidth <= each.clientWidth)"
    )
    page.close()


@pytest.mark.parametrize(("speak", "players"), [("both", 2), ("question", 1)])
def test_a_question_that_is_spoken_has_a_player_of_its_own_beside_its_answers(tmp_path, browser, speak, players):
    (tmp_path / "q.csv").write_text("question,answer\nHow much is 1 plus 1?,Two.\nAnd 2 plus 2?,Four.\n")
    voicegen.run(
        *("preset=fake", f"speak={speak}", "questions.answer_column=answer", "tts.duration=3"),
        settings={"output_dir": str(tmp_path / "run"), "questions.path": str(tmp_path / "q.csv")},
    )
    with opened(tmp_path / "run" / "report.html", tmp_path / "run", browser) as page:
        page.keyboard.press("j")
        page.wait_for_selector("#detail .text")
        assert "one" in page.inner_text("#detail")  # as the figure is said
        assert page.locator(".player").count() == players
        page.click(".player >> nth=-1 >> .play")
        expect(page.locator(".time").last).not_to_contain_text("0.0 /")
        if players == 2:
            assert page.locator("audio").count() == 0  # they are in no document, and heard all the same
            page.click(".player >> nth=0 >> .play")
            expect(page.locator(".play").first).to_have_attribute("aria-label", "Pause")
            expect(page.locator(".play").last).to_have_attribute("aria-label", "Play")


def test_a_clip_in_a_shard_plays_once_the_page_is_given_the_shards(browser, tmp_path):
    questions = [f"What is {number} plus {number}?" for number in range(4)]
    (tmp_path / "q.csv").write_text("\n".join(["question", *questions]), "utf-8")
    root = tmp_path / "packed"
    settings = {"output_dir": str(root), "questions.path": str(tmp_path / "q.csv"), "audio.container": "tar"}
    voicegen.run("preset=fake", "speak=both", settings=settings)
    with opened(root / "report.html", root, browser) as page:
        page.keyboard.press("j")
        expect(page.locator(".player .quiet").first).to_contain_text("give the page the files of the run's folder")
        page.locator(".chooser").first.set_input_files([str(shard) for shard in (root / "shards").iterdir()])
        for number in range(2):  # the question's clip, and the answer's
            player = page.locator(".player").nth(number)
            expect(player.locator(".quiet")).to_have_text("")
            player.locator(".play").click()
            expect(player.locator(".time")).not_to_contain_text("0.0 /")
