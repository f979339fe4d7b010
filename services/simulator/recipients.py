"""Which form of a Brazilian mobile number WhatsApp knows the account by. Pure; keeps and tells nothing."""

import re

from simulator.fate import draw

_NINE_DIGIT_MOBILE = re.compile(r"55([3-9][1-9])9([0-9]{8})", re.ASCII)


def resolve_recipient(*, seed: int, short_form_share: float, recipient: str) -> str:
    """Return a recipient's wa_id: digits only; a share from area code 31 on loses the ninth digit."""
    digits = recipient.removeprefix("+")
    mobile = _NINE_DIGIT_MOBILE.fullmatch(digits)
    if mobile and draw(seed=seed, key=digits.encode())[0] < short_form_share:
        return f"55{mobile[1]}{mobile[2]}"
    return digits
