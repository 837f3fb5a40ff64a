"""PromptPay codes, read back by a reader that shares nothing with what wrote them."""

import binascii
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receipts.rendering.promptpay import InvalidPromptPay, account_of, crc16, payload


def read(text: str) -> dict[str, str]:
    """Return the fields of an EMVCo code by tag; its checksum is right."""
    assert text[-8:-4] == "6304"
    assert f"{binascii.crc_hqx(text[:-4].encode(), 0xFFFF):04X}" == text[-4:]
    return fields(text)


def fields(text: str) -> dict[str, str]:
    found = {}
    while text:
        tag, length, rest = text[:2], int(text[2:4]), text[4:]
        assert tag not in found
        assert len(rest) >= length
        found[tag], text = rest[:length], rest[length:]
    return found


@pytest.mark.parametrize(
    ("written", "tag", "value"),
    [
        ("081-234-5678", "01", "0066812345678"),
        ("+66 81 234 5678", "01", "0066812345678"),
        ("0 9940 00160 97 6", "02", "0994000160976"),
        ("004999000288505", "03", "004999000288505"),
    ],
)
def test_an_account_stands_in_field_29(written: str, tag: str, value: str) -> None:
    code = read(payload(written, Decimal("1234.5")))
    assert fields(code.pop("29")) == {"00": "A000000677010111", tag: value}
    assert list(code) == ["00", "01", "53", "54", "58", "63"]
    assert (code["00"], code["01"], code["53"]) == ("01", "12", "764")
    assert (code["54"], code["58"]) == ("1234.50", "TH")


def test_without_an_amount_the_code_is_for_any() -> None:
    code = read(payload("0812345678"))
    assert code["01"] == "11"
    assert "54" not in code


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc16("123456789") == 0x29B1


@given(st.integers(1, 999_999_999_999), st.from_regex(r"\A[0-9]{13}\Z"))
def test_every_amount_and_account_reads_back(satang: int, tax_id: str) -> None:
    code = read(payload(tax_id, Decimal(satang).scaleb(-2)))
    assert Decimal(code["54"]) * 100 == satang
    assert fields(code["29"])["02"] == tax_id


@pytest.mark.parametrize(
    "written",
    ["", "12345", "1812345678", "+6681234567", "08123456789", "๐๘๑๒๓๔๕๖๗๘", "0812345678x"],
)
def test_what_is_no_account_is_refused(written: str) -> None:
    with pytest.raises(InvalidPromptPay):
        account_of(written)


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "10000000000", "NaN"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    with pytest.raises(InvalidPromptPay):
        payload("0812345678", Decimal(amount))
