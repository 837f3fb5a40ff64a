"""Amounts in words: known ones, and that every one can be read back."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts.rendering.words import english_amount, english_number, thai_amount, thai_number

THAI = {
    0: "ศูนย์",
    1: "หนึ่ง",
    10: "สิบ",
    11: "สิบเอ็ด",
    12: "สิบสอง",
    20: "ยี่สิบ",
    21: "ยี่สิบเอ็ด",
    91: "เก้าสิบเอ็ด",
    100: "หนึ่งร้อย",
    101: "หนึ่งร้อยเอ็ด",
    110: "หนึ่งร้อยสิบ",
    111: "หนึ่งร้อยสิบเอ็ด",
    1_000: "หนึ่งพัน",
    25_025: "สองหมื่นห้าพันยี่สิบห้า",
    100_001: "หนึ่งแสนเอ็ด",
    1_000_000: "หนึ่งล้าน",
    1_000_001: "หนึ่งล้านเอ็ด",
    11_000_000: "สิบเอ็ดล้าน",
    21_345_678: "ยี่สิบเอ็ดล้านสามแสนสี่หมื่นห้าพันหกร้อยเจ็ดสิบแปด",
    101_000_021: "หนึ่งร้อยเอ็ดล้านยี่สิบเอ็ด",
    10**12: "หนึ่งล้านล้าน",
    10**13 + 2_000_000: "สิบล้านสองล้าน",
}
ENGLISH = {
    0: "zero",
    13: "thirteen",
    20: "twenty",
    21: "twenty-one",
    100: "one hundred",
    115: "one hundred fifteen",
    1_000: "one thousand",
    1_001: "one thousand one",
    1_234_567: "one million two hundred thirty-four thousand five hundred sixty-seven",
    10**12 + 5: "one trillion five",
}


@pytest.mark.parametrize(("value", "words"), THAI.items())
def test_thai_numbers(value: int, words: str) -> None:
    assert thai_number(value) == words


@pytest.mark.parametrize(("value", "words"), ENGLISH.items())
def test_english_numbers(value: int, words: str) -> None:
    assert english_number(value) == words


@pytest.mark.parametrize(
    ("amount", "currency", "decimals", "thai", "english"),
    [
        ("100", "THB", 2, "หนึ่งร้อยบาทถ้วน", "One hundred baht"),
        ("0", "THB", 2, "ศูนย์บาทถ้วน", "Zero baht"),
        ("0.25", "THB", 2, "ยี่สิบห้าสตางค์", "Twenty-five satang"),
        ("0.01", "THB", 2, "หนึ่งสตางค์", "One satang"),
        ("1.01", "THB", 2, "หนึ่งบาทหนึ่งสตางค์", "One baht and one satang"),
        ("21.50", "THB", 2, "ยี่สิบเอ็ดบาทห้าสิบสตางค์", "Twenty-one baht and fifty satang"),
        ("-5.11", "THB", 2, "ลบห้าบาทสิบเอ็ดสตางค์", "Minus five baht and eleven satang"),
        ("1", "USD", 2, "หนึ่งดอลลาร์สหรัฐถ้วน", "One US dollar"),
        ("2.01", "USD", 2, "สองดอลลาร์สหรัฐหนึ่งเซนต์", "Two US dollars and one cent"),
        ("3.02", "GBP", 2, "สามปอนด์สเตอร์ลิงสองเพนนี", "Three pounds sterling and two pence"),
        ("1500", "JPY", 0, "หนึ่งพันห้าร้อยเยนถ้วน", "One thousand five hundred yen"),
        ("2.005", "BHD", 3, "สอง BHD 005/1000", "Two BHD and 005/1000"),
        ("2", "SEK", 2, "สอง SEKถ้วน", "Two SEK"),
    ],
)  # fmt: skip
def test_amounts(amount: str, currency: str, decimals: int, thai: str, english: str) -> None:
    value = Decimal(amount)
    assert thai_amount(value, currency, decimals) == thai
    assert english_amount(value, currency, decimals) == english


def test_what_is_finer_than_the_currency_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2 decimals"):
        thai_amount(Decimal("1.005"), "THB", 2)
    with pytest.raises(ValueError, match="more than 0 decimals"):
        english_amount(Decimal("1.5"), "JPY", 0)


DIGITS = {
    word: value
    for value, word in enumerate(("ศูนย์", "หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"))
} | {"เอ็ด": 1, "ยี่": 2}
PLACES = {"สิบ": 10, "ร้อย": 100, "พัน": 1_000, "หมื่น": 10_000, "แสน": 100_000}
THAI_WORD = re.compile("|".join(sorted([*DIGITS, *PLACES, "ล้าน"], key=len, reverse=True)))


def read_thai(words: str) -> int:
    """Read a number as a Thai does: from the left, each million multiplying all before it."""
    total, digit = 0, None
    assert "".join(THAI_WORD.findall(words)) == words
    for word in THAI_WORD.findall(words):
        if word == "ล้าน":
            total, digit = (total + (digit or 0)) * 10**6, None
        elif word in PLACES:
            total, digit = total + (1 if digit is None else digit) * PLACES[word], None
        else:
            digit = DIGITS[word]
    return total + (digit or 0)


@given(st.integers(0, 10**19))
def test_every_thai_number_reads_back(value: int) -> None:
    assert read_thai(thai_number(value)) == value


SMALL = {english_number(value): value for value in range(20)}
TENS = {english_number(value): value for value in range(20, 100, 10)}
GROUPS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
          "quadrillion": 10**15, "quintillion": 10**18}  # fmt: skip


def read_english(words: str) -> int:
    """Read a number in English words."""
    total, group = 0, 0
    for word in re.split("[ -]", words):
        if word in GROUPS:
            total, group = total + group * GROUPS[word], 0
        elif word == "hundred":
            group *= 100
        else:
            group += SMALL[word] if word in SMALL else TENS[word]
    return total + group


@given(st.integers(0, 10**21 - 1))
def test_every_english_number_reads_back(value: int) -> None:
    assert read_english(english_number(value)) == value


@given(st.integers(-(10**15), 10**15))
def test_every_baht_amount_reads_back(satang: int) -> None:
    words = thai_amount(Decimal(satang).scaleb(-2), "THB", 2)
    assert words.startswith("ลบ") == (satang < 0)
    assert words.endswith("ถ้วน") == (satang % 100 == 0)
    words = words.removeprefix("ลบ").removesuffix("ถ้วน").removesuffix("สตางค์")
    baht, has_baht, part = words.rpartition("บาท")
    whole = read_thai(baht) if has_baht else 0
    assert whole * 100 + (read_thai(part) if part else 0) == abs(satang)
