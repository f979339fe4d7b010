"""What goes to the Cloud API's message endpoint, and when it says to come again. Knows no connection."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, assert_never

import orjson

from executor.domain.job import Media, Message, Template, Text


def body_of(message: Message) -> bytes:
    """Return the request's body; the attempt id goes along as the callback data that its statuses bring back."""
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": message.recipient,
        "biz_opaque_callback_data": message.attempt_id,
    }
    match message.content:
        case Template() as template:
            filled: dict[str, Any] = {"name": template.name, "language": {"code": template.language}}
            if template.parameters:
                parameters = [{"type": "text", "text": value} for value in template.parameters]
                filled["components"] = [{"type": "body", "parameters": parameters}]
            body |= {"type": "template", "template": filled}
        case Text() as text:
            body |= {"type": "text", "text": {"preview_url": False, "body": text.body}}
        case Media() as media:
            described = {"link": media.link, "caption": media.caption, "filename": media.filename}
            allowed = _MEDIA_FIELDS[media.kind]
            body |= {
                "type": media.kind,
                media.kind: {name: value for name, value in described.items() if value and name in allowed},
            }
        case _:
            assert_never(message.content)
    return orjson.dumps(body)


_MEDIA_FIELDS = {
    "image": {"link", "caption"},
    "video": {"link", "caption"},
    "audio": {"link"},
    "document": {"link", "caption", "filename"},
}


def retry_after_of(headers: Any, *, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` (seconds or an HTTP date) or the usage header ask to wait."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    if given:
        try:
            at = parsedate_to_datetime(given)
        except ValueError:
            return None
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    return _minutes_to_regain_access(headers.get("x-business-use-case-usage", ""))


def _minutes_to_regain_access(header: str) -> float | None:
    try:
        usages = orjson.loads(header) if header else {}
        minutes = [float(usage["estimated_time_to_regain_access"]) for listed in usages.values() for usage in listed]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return max(minutes) * 60 if minutes and max(minutes) > 0 else None
