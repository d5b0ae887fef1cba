"""English number words: cardinals, ordinals, decimals, years, digits one by one."""

from __future__ import annotations

from functools import lru_cache

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion")
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_MOST_DIGITS = 3 * len(_SCALES)


def cardinal(number: int) -> str:
    """`1234` as "one thousand two hundred thirty-four"; numbers too large for words digit by digit."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    if number < 1000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES[hundreds]} hundred" + (f" {cardinal(rest)}" if rest else "")
    if len(str(number)) > _MOST_DIGITS:
        return digits(str(number))
    words = []
    for scale in _SCALES:
        number, group = divmod(number, 1000)
        if group:
            words.append(f"{cardinal(group)} {scale}".rstrip())
    return " ".join(reversed(words))


def ordinal(number: int) -> str:
    """`21` as "twenty-first"."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:-1] + "ieth" if last.endswith("y") else words + "th"


def digits(written: str) -> str:
    """`407` as "four zero seven"; what is no digit is passed over."""
    return " ".join(_ONES[int(sign)] for sign in written if sign.isdecimal())


@lru_cache(4096)
def number(written: str) -> str:
    """`1,234.50` as "one thousand two hundred thirty-four point five zero"; also `.5`, `-3`, `007`.

    A number that begins with a zero is a code, read digit by digit.
    """
    whole, point, fraction = written.replace(",", "").lstrip("+-−").partition(".")
    words = digits(whole) if len(whole) > 1 and whole[0] == "0" else cardinal(int(whole or 0))
    if point and fraction:
        words += f" point {digits(fraction)}"
    return f"minus {words}" if written[0] in "-−" else words


def year(number: int) -> str:
    """`1905` as "nineteen oh five", `2005` as "two thousand five", `2024` as "twenty twenty-four"."""
    century, rest = divmod(number, 100)
    if not 1000 <= number < 10_000 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def by_pairs(number: int) -> str:
    """What names something, of three or four digits: `4090` as "forty ninety", `747` as "seven forty-seven"."""
    high, low = divmod(number, 100)
    if low == 0:
        return cardinal(number) if high % 10 == 0 else f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {'oh ' if low < 10 else ''}{cardinal(low)}"


def plural(words: str) -> str:
    """Of a number in words: "nineties", "sixes"."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")
