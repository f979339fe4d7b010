"""Judge phone numbers: which are mobiles, and which two forms are one person. Knows nothing of what is sent to them.

Nearly all numbers are Brazilian and are judged by a rule of our own, which is also needed: phone libraries call the
forms without the ninth digit invalid or landlines. Everything else is left to `phonenumbers`.
"""

import re
from functools import lru_cache

import phonenumbers

from kernel.values import value

# Area codes in use, Anatel's national numbering plan (Resolução 749/2022).
AREA_CODES = frozenset(
    str(code)
    for codes in (
        (*range(11, 20), 21, 22, 24, 27, 28),
        (*range(31, 36), 37, 38, *range(41, 50), 51, 53, 54, 55),
        (*range(61, 70), 71, 73, 74, 75, 77, 79),
        (*range(81, 90), *range(91, 100)),
    )
    for code in codes
)
# Hours from UTC by area code; the rest of Brazil, and by this product's choice every other country, is at -3. Fixed, as
# Brazil has had no summer time since 2019 (Decreto 9.772). An area code is all there is to go by: 81 is Recife and
# Fernando de Noronha (-2), 97 the interior of Amazonas and its far west (-5); each is taken for the far greater part.
SAO_PAULO = -3
_WESTERN = {"68": -5} | dict.fromkeys(("65", "66", "67", "69", "92", "95", "97"), -4)
_BRAZILIAN_MOBILE = re.compile(r"\+55([1-9][0-9])(?:9([0-9]{8})|([6-9][0-9]{7}))", re.ASCII)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_NOT_DIGITS = re.compile(r"[^0-9]")
_FOREIGN_MOBILES = frozenset(
    {
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
        phonenumbers.PhoneNumberType.UNKNOWN,
    }
)


@value
class Recipient:
    """A number that can be written to: as the caller gave it, and in the form in which twins are equal.

    `utc_offset` is its local time in hours from UTC.
    """

    given: str
    canonical: str
    utc_offset: int = SAO_PAULO


def recognise(number: str) -> Recipient | None:
    """Return the recipient that an E.164 number names, or None if it is no mobile number.

    A Brazilian mobile has 9 digits that begin with 9 after its area code; its older form lacks that 9 and begins with 6
    to 9. Both are one recipient. The number given is what is sent to: only matching uses the canonical form.
    """
    if (brazilian := _BRAZILIAN_MOBILE.fullmatch(number)) is not None:
        area, subscriber, older = brazilian.groups()
        if area not in AREA_CODES:
            return None
        return Recipient(
            given=number, canonical=f"55{area}9{subscriber or older}", utc_offset=_WESTERN.get(area, SAO_PAULO)
        )
    if number.startswith("+55") or not _is_foreign_mobile(number):
        return None
    return Recipient(given=number, canonical=number[1:])


@lru_cache(maxsize=16_384)
def _is_foreign_mobile(number: str) -> bool:
    if _E164.fullmatch(number) is None:
        return False
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return False
    kind = phonenumbers.number_type(parsed)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return phonenumbers.is_valid_number(parsed)
    return kind in _FOREIGN_MOBILES


def canonical_form(number: str) -> str | None:
    """Return what any E.164 number is matched by, mobile or not; None for what is none."""
    recipient = recognise(number)
    if recipient is not None:
        return recipient.canonical
    return number[1:] if _E164.fullmatch(number) is not None else None


def names_number(text: str, canonical: str) -> bool:
    """Tell whether a text holds a number by its last 8 digits, which both forms share, however they are written."""
    return canonical[-8:] in _NOT_DIGITS.sub("", text)
