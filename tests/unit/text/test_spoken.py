import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicegen.text.spoken import is_speakable, to_spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Paris is the capital.", "Paris is the capital."),
        ("# Steps\n\n- *mix*\n- **bake**\n\nDone.", "Steps. mix. bake. Done."),
        ("1. One\n2. Two", "one. One. two. Two"),
        ("| City | People |\n|---|---|\n| Oslo | 700,000 |", "City, People. Oslo, seven hundred thousand"),
        ("See [the manual](http://x.org/a) and ![a cat](cat.png).", "See the manual and a cat."),
        ("> quoted ~~words~~\n\nplain", "quoted words. plain"),
        ("Roses are red  \nviolets are blue", "Roses are red, violets are blue"),
        ("one\nparagraph", "one paragraph"),
        ("Ready:\n\n* go", "Ready: go"),
        ("He said **bold text", "He said bold text"),
        ("R&amp;D &copy; 2024", "R and D copyright twenty twenty-four"),
    ],
)
def test_markdown_becomes_its_words(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Before.\n\n```py\nx = 1\n```\n\nAfter.", "Before. After."),
        ("Cut off:\n\n```py\nx = 1", "Cut off:"),
        ("Call `len()` on `my_list`.", "Call len on my list."),
        ("Write `x[0] = 1` now.", "Write x zero equals one now."),
        ("    an indented poem", "an indented poem"),
    ],
)
def test_code_is_left_out_unless_it_reads_as_words(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Visit https://example.org/a?b=c, now.", "Visit example dot org slash a question mark b equals c, now."),
        ("Visit (www.example.org) now!", "Visit (w w w dot example dot org) now!"),
        ("See https://example.org/Mercury_(planet), too.", "See example dot org slash Mercury underscore planet, too."),
        ("Read it <https://example.org>.", "Read it example dot org."),
        ("Noted.[^1]\n\n[^1]: https://example.org", "Noted. example dot org"),
        ("Great 😀👨‍👩‍👧 work ❤️ 🇺🇸!", "Great work!"),
        ("1️⃣ first", "one first"),
        ("a<br>b <b>c</b>d <!-- e -->", "a b cd"),
        ("nul\x00, bell\x07, zero\u200bwidth, \ufeffmark", "nul, bell, zerowidth, mark"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("line\u2028break", "line break"),
    ],
)
def test_addresses_emoji_tags_and_invisible_characters_go_without_a_hole(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("42.", "forty-two."),
        ("1984. It was a year.", "nineteen eighty-four. It was a year."),
        ("[Answer]: yes", "[Answer]: yes"),
        ("5 * 3 = 15", "five times three equals fifteen"),
        ("a < b and c > d", "a is less than b and c is greater than d"),
        ("20°C is ½ of 40°C", "twenty degrees Celsius is one half of forty degrees Celsius"),
        ("snake_case", "snake case"),
    ],
)
def test_answers_that_only_look_like_markup_are_kept(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"), [("5 * 3 = 15", "fünf mal drei gleich fünfzehn"), ("Siehe https://example.org.", "Siehe.")]
)
def test_another_language_has_its_numbers_in_words_and_its_addresses_left_out(written: str, spoken: str) -> None:
    assert to_spoken(written, "de") == spoken


@pytest.mark.parametrize("text", ["", " \n", "😀", "...", "```\nx = 1\n```", "---", "\x00"])
def test_what_nobody_can_speak_gives_an_empty_text(text: str) -> None:
    assert to_spoken(text) == ""


def test_the_full_stop_of_a_heading_is_that_of_the_language() -> None:
    assert to_spoken("# 你好\n\n世界", language="zh-CN") == "你好。 世界"


def test_accents_are_composed_so_that_a_voice_knows_the_letter() -> None:
    assert to_spoken("cafe\u0301") == "caf\u00e9"


@given(st.text())
def test_any_text_gives_one_printable_line_that_is_speakable_or_empty(text: str) -> None:
    spoken = to_spoken(text)
    assert spoken == "" or is_speakable(spoken)
    assert "\n" not in spoken
    assert spoken == " ".join(spoken.split())
    spoken.encode()  # no lone surrogates


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=8), min_size=1, max_size=30))
def test_plain_words_are_never_changed(words: list[str]) -> None:
    assert to_spoken(" ".join(words)) == " ".join(words)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("It is four.<|im_end|>", "It is four."),
        ("a<|channel|>b", "a b"),
        ("The box holds <|begin_of_box|>42<|end_of_box|>.", "The box holds forty-two."),
        ("<|channel>thought<channel|> Yes.", "thought Yes."),
        ("Yes.<｜end▁of▁sentence｜>", "Yes."),
        ("f <| x |> g", "f less than x greater than g"),
    ],
)
def test_markers_of_chat_formats_are_never_read_aloud(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("if x <y and y> z", "if x is less than y and y is greater than z"),
        ("if a <b and b> c", "if a is less than b and b is greater than c"),
        ("Dear <name>, hello.", "Dear name, hello."),
        ("It ends with </think>, or &lt;name&gt;.", "It ends with slash think, or name."),
        ("A vector<int> is long.", "A vector of int is long."),
        ('<speak>Go <break time="1s"/><prosody rate=slow>on</prosody>.</speak>', "Go on."),
        ('a<script src="x">let b = 1;</script> c<style>p { color: red }</style> d', "a c d"),
    ],
)
def test_only_known_tags_are_tags_and_other_words_in_angle_brackets_stay(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("𝐇𝐞𝐥𝐥𝐨", "Hello"),
        ("Ｈｅｌｌｏ １２", "Hello twelve"),
        ("ﬁne Ⅳ ①", "fine IV one"),
        ("x² and H₂O and ½", "x squared and H two O and one half"),
    ],
)
def test_letters_in_another_dress_are_plain_and_raised_digits_keep_their_meaning(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken


@pytest.mark.parametrize(
    "written", ["\x1b[2J\x1b[1;31mred\x1b[0m", "\x1b]0;title\x07red", "\x9b2Jred", "\x1b(Bred", "&#27;red&#7;"]
)
def test_escape_sequences_go_whole(written: str) -> None:
    assert to_spoken(written) == "red"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Ingredients:\nSugar\nFlour", "Ingredients: Sugar. Flour"),
        ("I came home\nand slept.", "I came home and slept."),
        ("This is a line of prose that is wrapped by an editor in\nParis.",) * 2,
    ],
)
def test_short_lines_are_sentences_and_wrapped_prose_goes_on(written: str, spoken: str) -> None:
    assert to_spoken(written) == spoken.replace("\n", " ")


# Each of these took minutes while the time grew with the square of the length.
@pytest.mark.parametrize("opening", ["<!-- ", "<script> ", "<STYLE type='x'> "])
def test_any_number_of_openings_without_an_end_is_text(opening):
    assert to_spoken(opening * 20_000 + "Then words.").endswith("Then words.")


@pytest.mark.parametrize("written", ["a~1", "$x ", "12°"])
def test_any_number_of_signs_takes_no_time_that_grows_with_its_square(written):
    assert to_spoken(written * 20_000 + "\n\nThen words.").endswith("Then words.")


def test_what_is_between_an_opening_and_its_end_is_not_read():
    assert to_spoken("A <!-- b <script> --> c <style>d</style> e <script>f </style> g</SCRIPT > h.") == "A c e h."


def test_a_list_of_very_many_short_lines_is_read_whole():
    assert to_spoken("Sugar\n" * 50_000).count("Sugar.") == 49_999
