"""The report of two runs as a person has it: opened from the disk in a real Chromium."""

import pytest

import voicegen
from tests.chromium import chromium, expect, needs_chromium, opened
from voicegen.report import write_report_of_two
from voicegen.store import Store

pytestmark = needs_chromium

PAGE = "the #2/report-with-the #1.html"
HOSTILE = "<img src=x onerror=document.title='taken'> </script><b>bold</b>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two runs of some thirty rows, with the page of both in the second, which speaks faster.

    Their folders' names have a space and a #.
    """
    folder = tmp_path_factory.mktemp("reports")
    rows = [(f"q{number}", f"What is {number} plus {number}?", f"That is {2 * number}.") for number in range(30)]
    changed = [*rows[:20], ("q20", HOSTILE, "That is certainly forty."), *rows[21:29], ("late", "And now?", "Nothing.")]
    for name, given, speed in (("the #1", rows, 1), ("the #2", changed, 1.25)):
        lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in given]
        (folder / "q.csv").write_text("\n".join(["id,question,answer", *lines]) + "\n")
        voicegen.run(
            *("preset=fake", "quality=basic", "questions.answer_column=answer", f"tts.speed={speed}"),
            settings={"output_dir": str(folder / name), "questions.path": str(folder / "q.csv")},
        )
    write_report_of_two(Store(folder / "the #1"), Store(folder / "the #2"))
    return folder


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(folder, browser):
    with opened(folder / PAGE, folder, browser) as page:
        yield page


def in_order(page):
    """The rows in sight from the top: the text of each."""
    found = page.eval_on_selector_all(
        "#rows .row", "rows => rows.map(row => [row.getBoundingClientRect().top, row.innerText])"
    )
    return [text for _, text in sorted(found)]


def test_totals_and_histograms_are_of_both_runs(page):
    first, second = (page.inner_text(f"#totals .comparison >> nth={number}") for number in (0, 1))
    assert "the #1" in first
    assert "Rows\t30\t30\t=" in first
    assert "Duration" in second
    assert page.locator("#charts .outline").count() == page.locator("#charts figure").count() >= 3


def test_rows_that_differ_come_first_and_say_in_what(page):
    top = in_order(page)
    assert "question, answer, spoken form" in top[0]
    assert "only in the #2" in top[1]
    assert "only in the #1" in top[2]
    assert "What is 0 plus 0?" in top[3]
    page.select_option("#filters select[aria-label=difference]", "audio")
    expect(page.locator("#count")).to_have_text("28 of 31 rows")


@pytest.mark.parametrize("side", [0, 1])
def test_the_clip_of_either_run_loads_and_plays(page, side):
    page.keyboard.press("j")
    expect(page.locator(".picture")).to_have_count(2)
    expect(page.locator(".picture").nth(side)).to_have_css("height", "198px")
    page.click(f".play >> nth={side}")
    expect(page.locator(".time").nth(side)).not_to_contain_text("0.0 /")
    assert page.locator(".controls .quiet").all_inner_texts() == ["", ""]


def test_a_key_plays_the_other_run_s_clip_and_only_one_is_heard(page):
    page.keyboard.press("j")
    page.wait_for_selector("#detail .side")
    for key, playing in (("Space", 1), ("b", 0), ("b", 1)):
        page.keyboard.press(key)
        expect(page.locator(".play").nth(playing)).to_have_attribute("aria-label", "Pause")
        expect(page.locator(".play").nth(1 - playing)).to_have_attribute("aria-label", "Play")


def test_texts_of_both_are_there_with_what_became_of_them_and_only_as_text(page):
    page.click("#rows .row >> nth=0")
    page.wait_for_selector("#detail .side")
    assert HOSTILE in page.inner_text("#detail")
    expect(page.locator("#detail section:has(h3:text-is('Answer as written')) ins")).to_have_text("certainly forty.")
    expect(page.locator("#detail section:has(h3:text-is('Answer as written')) del")).to_have_text("40.")
    assert "Duration (s)" in page.inner_text("#detail .comparison")
    assert page.locator("img, b").count() == 0
    assert "taken" not in page.title()


def test_a_row_of_one_run_alone_is_shown_as_such(page):
    page.click("#rows .row:has-text('only in the #1')")
    page.wait_for_selector("#detail .side")
    assert "has no such row" in page.inner_text("#detail .side >> nth=1")
    page.keyboard.press("Space")
    expect(page.locator(".time")).not_to_contain_text("0.0 /")


def test_the_search_finds_what_either_run_says(page):
    page.fill("#search", "that is 40")
    expect(page.locator("#count")).to_have_text("1 of 31 rows")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (820, "light"), (1440, "dark")])
def test_the_page_is_never_wider_than_its_window(folder, browser, width, scheme):
    with opened(folder / PAGE, folder, browser, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.click("#rows .row >> nth=0")
        page.wait_for_selector("#detail .side")
        assert page.evaluate("document.documentElement.scrollWidth") == width
