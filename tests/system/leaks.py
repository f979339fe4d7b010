"""Find phone numbers and texts in what a system emits: in any form, plain, formatted, encoded or half masked."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence

_TAIL = 8
_SHORTEST_PIECE = 5
_GAP = rb"[-. ()]{0,2}"
_MASK = rb"(?:[*#]|\xe2\x80\xa6|\xe2\x80\xa2|\.{3}|[xX]{3,})"  # * # … • ... xxx


def find_leaks(emitted: Mapping[str, bytes], numbers: Iterable[str], texts: Iterable[str]) -> list[str]:
    """Return what was found, and in what of `emitted`.

    All forms of a number, with and without +55, area code and ninth digit, end in the same 8 digits.
    """
    patterns = [(f"number …{number[-4:]}", pattern) for number in numbers for pattern in _number(number)]
    patterns += [(f"text {text[:10]}…", re.compile(form)) for text in texts for form in _forms(text)]
    return [
        f"{name} in {where}"
        for where, content in emitted.items()
        for name, pattern in patterns
        if pattern.search(content)
    ]


def _number(number: str) -> Iterable[re.Pattern[bytes]]:
    tail = number[-_TAIL:]
    yield re.compile(tail[:4].encode() + _GAP + tail[4:].encode())
    for form in _forms(tail)[1:]:
        yield re.compile(form)
    digits = number.removeprefix("+")
    for size in range(_SHORTEST_PIECE, len(digits)):
        for start in range(len(digits) - size + 1):
            piece = digits[start : start + size].encode()
            yield re.compile(_MASK + rb"-?" + piece + rb"(?!\d)")
            yield re.compile(rb"(?<!\d)" + piece + rb"-?" + _MASK)


def _forms(text: str) -> Sequence[bytes]:
    """Return a text as regular expressions: as it is, in hexadecimal, and in Base64 wherever it begins."""
    content = text.encode()
    return [re.escape(content), content.hex().encode(), *(re.escape(_base64(content, shift)) for shift in range(3))]


def _base64(content: bytes, shift: int) -> bytes:
    """Return what is the same of a text in Base64 whatever stands around it, `shift` bytes into a group of three."""
    encoded = base64.b64encode(b"\0" * shift + content + b"\0" * 3)
    first = (0, 2, 3)[shift]
    last = (shift + len(content)) * 8 // 6
    return encoded[first:last]
