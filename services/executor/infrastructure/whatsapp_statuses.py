"""Read the Cloud API's status webhooks, and write down again what has to wait. Knows no job."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from executor.application.ports_operations import InboxEntry, ToldStatus
from executor.domain.outcome import Rejected, Retryable
from executor.domain.words import DeliveryStatus
from executor.infrastructure.providers.whatsapp_cloud import ERRORS

_STATUSES = {
    "sent": DeliveryStatus.SENT,
    "delivered": DeliveryStatus.DELIVERED,
    "read": DeliveryStatus.READ,
    "played": DeliveryStatus.READ,
    "failed": DeliveryStatus.FAILED,
}
_LONGEST_ID = 256


def read_statuses(entry: InboxEntry) -> list[ToldStatus]:
    """Return the statuses of a webhook; what is none, or names no attempt, is passed over."""
    webhook = orjson.loads(entry.body)
    return [status for account, given in _each(webhook) if (status := _status(account, given, entry)) is not None]


def write_statuses(statuses: Sequence[ToldStatus]) -> bytes:
    """Return statuses as a webhook that `read_statuses` reads."""
    changes = [
        {
            "field": "messages",
            "value": {
                "metadata": {"phone_number_id": status.account},
                "statuses": [
                    {
                        "id": status.provider_message_id,
                        "status": status.status.lower(),
                        "timestamp": str(int(status.provider_time.timestamp())),
                        "biz_opaque_callback_data": status.attempt_id,
                        "errors": [] if status.failure is None else [{"code": status.failure.provider_code}],
                    }
                ],
            },
        }
        for status in statuses
    ]
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [{"changes": changes}]})


def _each(webhook: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in _dicts(webhook, "entry"):
        for change in _dicts(entry, "changes"):
            value = change.get("value")
            metadata = value.get("metadata") if isinstance(value, dict) else None
            account = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
            if isinstance(account, str):
                for status in _dicts(value, "statuses"):
                    yield account, status


def _dicts(holder: Any, name: str) -> Iterable[dict[str, Any]]:
    listed = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _status(account: str, given: dict[str, Any], entry: InboxEntry) -> ToldStatus | None:
    status = _STATUSES.get(str(given.get("status")))
    attempt_id = given.get("biz_opaque_callback_data")
    if status is None or not isinstance(attempt_id, str):
        return None
    return ToldStatus(
        account=_clean(account),
        attempt_id=_clean(attempt_id),
        status=status,
        provider_message_id=_clean(str(given.get("id") or "")),
        provider_time=_time(given.get("timestamp"), entry.received_at),
        received_at=entry.received_at,
        failure=_failure(given) if status is DeliveryStatus.FAILED else None,
    )


def _failure(given: dict[str, Any]) -> Rejected | Retryable:
    codes = [error.get("code") for error in _dicts(given, "errors")]
    return ERRORS.failed_status(_clean(str(codes[0]))[:32] if codes else "")


def _time(given: Any, otherwise: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return otherwise


def _clean(text: str) -> str:
    return text.replace("\0", "").encode(errors="replace").decode()[:_LONGEST_ID]
