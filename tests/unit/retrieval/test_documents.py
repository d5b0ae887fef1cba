import pytest

from tests.pdf_file import pdf_of
from voicegen.errors import InputError
from voicegen.retrieval.documents import document_files, read_document


def test_a_part_of_markdown_is_called_by_its_headings():
    text = "Über uns 😀\n\n# Guide\n\nHello.\n\n## Install\n\nRun it.\n\n### On *Linux*\n\nSo.\n\n## Use\n\nThus.\n"
    document = read_document(text.encode(), ".MD")
    names = {
        said: getattr(document.part_at(document.text.index(said)), "name", None)
        for said in ("Über", "Hello", "So.", "Thus")
    }
    assert names == {"Über": None, "Hello": "Guide", "So.": "Guide > Install > On Linux", "Thus": "Guide > Use"}


def test_a_heading_in_code_is_none():
    document = read_document(b"# One\n\n```\n# not a heading\n```\n\nText.\n", ".md")
    assert [part.name for part in document.parts] == ["One"]


def test_a_page_of_html_is_its_text_and_headings_without_scripts_and_menus():
    page = """<html><head><title>Tea</title><style>p { color: red }</style></head><body><nav>Home | Shop</nav>
    <h2>Brewing</h2><p>Three <b>minutes</b>.</p><script>steal()</script><ul><li>green_tea</li></ul></body></html>"""
    document = read_document(page.encode(), ".html")
    assert document.is_markdown
    assert [part.name for part in document.parts] == ["Tea", "Tea > Brewing"]
    assert "Three **minutes**." in document.text
    assert "green_tea" in document.text
    assert not any(word in document.text for word in ("steal", "color", "Shop"))


def test_a_picture_that_stands_in_the_text_is_left_out_of_it():
    data = "data:image/png;base64," + 500 * "iVBORw0KGgo/+=="
    page = f'<p>A <img alt="lamp" src="{data}"> of data:1,2</p>'
    notes = f"A ![lamp]({data}) and [another][1].\n\n[1]: <{data}>\n"
    assert read_document(page.encode(), ".html").text == "A ![lamp]() of data:1,2"
    assert read_document(notes.encode(), ".md").text == "A ![lamp]() and [another][1].\n\n[1]: <>\n"


def test_a_page_in_another_encoding_is_read_by_what_it_says_of_itself():
    page = '<meta charset="iso-8859-1"><p>Café</p>'.encode("latin-1")
    assert "Café" in read_document(page, ".htm").text


def test_the_parts_of_a_pdf_are_its_pages():
    document = read_document(pdf_of(["Tea is brewed", "for three minutes."], ["Coffee is ground."]), ".pdf")
    places = [document.text.index(said) for said in ("Tea", "minutes", "Coffee")]
    assert [document.part_at(place).name for place in places] == ["page 1", "page 1", "page 2"]
    assert document.name_of(places[1], places[2] + 1) == "page 1 to page 2"


@pytest.mark.parametrize(
    ("suffix", "content", "told"),
    [
        (".pdf", b"%PDF-1.4\nno more", "it is no PDF, or a damaged one"),
        (".pdf", pdf_of(["A secret."], is_locked=True), "it needs a password: save it without one"),
        (".txt", "Größe".encode("latin-1"), "not UTF-8"),
        (".html", b"<div>" * 5000 + b"x", "nested too deeply"),
    ],
)
def test_what_cannot_be_read_says_why(suffix, content, told):
    with pytest.raises(InputError, match=told):
        read_document(content, suffix)


def test_text_of_other_systems_is_read():
    assert read_document("\ufeffone\r\ntwo".encode(), ".txt").text == "one\ntwo"
    assert read_document("one".encode("utf-16"), ".txt").text == "one"


def test_hidden_files_other_files_and_links_out_of_the_folder_are_left_alone(tmp_path):
    folder, outside = tmp_path / "docs", tmp_path / "secret.txt"
    for name in ("b.md", "a/c.TXT", ".git/d.md", "e.png", "a/.f.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("text")
    outside.write_text("secret")
    (folder / "link.txt").symlink_to(outside)
    assert [path.relative_to(folder).as_posix() for path in document_files(folder)] == ["a/c.TXT", "b.md"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere is no folder"):
        list(document_files(tmp_path / "nowhere"))
