"""Tax ids: whether a number can be one, by its length and check digits."""

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError as NoNumber
from stdnum.th import tin


def checked_tax_id(text: str) -> str:
    """Return a tax id without spaces and dashes. Raises ValidationError if it can be none.

    A number of digits alone is a Thai one (13 digits, the last of which checks the others); all
    others begin with the two letters of their country, as VAT numbers do. Countries whose numbers
    are not known to python-stdnum are refused no number.
    """
    number = "".join(text.split()).replace("-", "").upper()
    if not number:
        return ""
    if number.isdecimal():
        _check(tin, number, _("A Thai tax id has 13 digits, and the last one checks the others."))
        return number
    country = number[:2]
    if not (country.isascii() and country.isalpha() and number.isascii() and number.isalnum()):
        raise ValidationError(
            _("Write 13 digits, or the two letters of the country and then its number.")
        )
    known = get_cc_module(country.lower(), "vat")
    if known is not None:
        _check(known, number, _("This is no tax id of %(country)s.") % {"country": country})
    return number


def _check(numbers: object, number: str, text: object) -> None:
    try:
        numbers.validate(number)  # type: ignore[attr-defined]  # a module of python-stdnum
    except NoNumber as error:
        raise ValidationError(str(text)) from error
