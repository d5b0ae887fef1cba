import pytest

from tests.spoken_cases import cases, phoneme_error
from voicegen.errors import InputError
from voicegen.text.lexicon import Lexicon, read_lexicon
from voicegen.text.spoken import spoken_form, to_spoken
from voicegen.text.wording import Wording

RESPELLINGS = (("nginx", "engine x"), ("Qwen", "kwen"), ("Qwen coder", "kwen koder"), ("C plus plus", "see plus plus"))


def lexicon(path, text):
    path.write_text(text, encoding="utf-8")
    return read_lexicon(path)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Start nginx, then `nginx`.", "Start engine x, then engine x."),
        ("NGINX and nginxes stay.", "NGINX and nginxes stay."),
        ("Qwen's Qwen coder", "kwen's kwen koder"),
        ("I write C++ for 2 days.", "I write see plus plus for two days."),
    ],
)
def test_words_are_respelled_last_as_they_are_written_and_whole(written, spoken):
    assert spoken_form(written, Wording(pronounce=Lexicon(RESPELLINGS))).text == spoken


@pytest.mark.parametrize(("name", "said"), [(name, said) for _, name, [said] in cases("names.txt")])
def test_names_of_the_field_sound_as_a_person_says_them(name, said):
    assert phoneme_error(to_spoken(f"Use {name} here."), f"Use {said} here.") <= 0.12


def test_the_users_respelling_of_a_name_goes_before_ours_and_other_languages_have_none():
    assert to_spoken("Start kubectl.") == "Start cube control."
    assert spoken_form("Start kubectl.", Wording(pronounce=Lexicon((("kubectl", "koob C T L"),)))).text == (
        "Start koob C T L."
    )
    assert to_spoken("Starte kubectl.", "de") == "Starte kubectl."


def test_a_respelling_is_given_to_the_voice_as_it_is():
    assert spoken_form("Say GIF.", Wording(pronounce=Lexicon((("GIF", "[[dʒɪf]]"),)))).text == "Say [[dʒɪf]]."


def test_yaml_and_csv_hold_the_same_and_a_word_may_be_no(tmp_path):
    of_yaml = lexicon(tmp_path / "a.yaml", "# ours\nno: noh\n'C #': see sharp\n2: too\n")
    of_csv = lexicon(tmp_path / "a.csv", 'word,respelling\n2,too\n\n"C #",see sharp\nno,noh\n')
    assert dict(of_yaml.respellings) == dict(of_csv.respellings) == {"no": "noh", "C #": "see sharp", "2": "too"}
    assert of_yaml.sha256 == of_csv.sha256
    assert of_yaml.sha256 != lexicon(tmp_path / "b.yaml", "no: nah\n").sha256


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "a,b\nc\n", "a.csv, line 2: 1 cell where two are needed: WORD,RESPELLING"),
        ("a.csv", "a,b\nc,\n", "a.csv, line 2: a word and its respelling are needed; one of them is empty"),
        ("a.csv", "a,b\n\na,c\n", "a.csv, line 3: 'a' is in line 1 too: take one of them out"),
        ("a.csv", 'a,"b\n', "a.csv, line 1: unexpected end of data"),
        ("a.yaml", "a: b\nc: [d]\n", "a.yaml, line 2: a lexicon has lines WORD: RESPELLING"),
        ("a.yaml", "a: b\nc: d: e\n", "a.yaml, line 2: not YAML: mapping values are not allowed here; put quotes"),
        ("a.yaml", "- a\n", "a.yaml, line 1: a lexicon has lines WORD: RESPELLING"),
        ("a.yaml", "a: b\na: c\n", "a.yaml, line 2: 'a' is in line 1 too"),
        ("a.yaml", "# none\n", "a.yaml: there is no word in the lexicon"),
        ("a.txt", "a b\n", "a.txt: a lexicon is a .yaml file of WORD: RESPELLING, or a .csv file of WORD,RESPELLING"),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_line(tmp_path, name, text, told):
    with pytest.raises(InputError) as error:
        lexicon(tmp_path / name, text)
    assert told in str(error.value)


def test_a_lexicon_that_is_not_there_or_no_text_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: the lexicon cannot be read: No such file"):
        read_lexicon(tmp_path / "none.csv")
    (tmp_path / "a.csv").write_bytes(b"a,\xff\n")
    with pytest.raises(InputError, match=r"a\.csv: the lexicon is not UTF-8 text"):
        read_lexicon(tmp_path / "a.csv")
