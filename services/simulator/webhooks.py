"""Status webhooks as Meta words and signs them, and the handshake before them. Knows no schedule."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from simulator.fate import StatusName
from simulator.graph_errors import status_error

SIGNATURE_HEADER = "X-Hub-Signature-256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One status of one message, as it will be told; `timestamp` in epoch seconds."""

    phone_number_id: str
    wamid: str
    recipient: str
    callback_data: str | None
    status: StatusName
    timestamp: float
    code: int | None = None


def webhook_body(statuses: Sequence[Told]) -> bytes:
    """Return the bytes of one post: one change for each phone number, its statuses in the order given."""
    by_number: dict[str, list[dict[str, Any]]] = {}
    for told in statuses:
        by_number.setdefault(told.phone_number_id, []).append(_status(told))
    changes = [
        {
            "field": "messages",
            "value": {
                "messaging_product": "whatsapp",
                "metadata": {"display_phone_number": phone_number_id, "phone_number_id": phone_number_id},
                "statuses": told,
            },
        }
        for phone_number_id, told in by_number.items()
    ]
    return orjson.dumps({"object": "whatsapp_business_account", "entry": [{"id": "0", "changes": changes}]})


def _status(told: Told) -> dict[str, Any]:
    status: dict[str, Any] = {
        "id": told.wamid,
        "status": told.status,
        "timestamp": str(int(told.timestamp)),
        "recipient_id": told.recipient,
    }
    if told.callback_data is not None:
        status["biz_opaque_callback_data"] = told.callback_data
    if told.code is not None:
        status["errors"] = [status_error(told.code)]
    elif told.status in (StatusName.SENT, StatusName.DELIVERED):
        status["pricing"] = {
            "billable": True,
            "pricing_model": "PMP",
            "category": "marketing",
            "type": "regular",
        }
    return status


def sign(*, app_secret: bytes, content: bytes) -> str:
    """Return the value of the signature header for exactly these bytes."""
    return "sha256=" + hmac.new(app_secret, content, hashlib.sha256).hexdigest()


async def verify_subscription(*, url: str, verify_token: str) -> dict[str, Any]:
    """Ask the receiver to prove that it knows the verify token, as Meta does when a webhook is set up."""
    challenge = str(secrets.randbelow(10**10))
    question = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(url, params=question, allow_redirects=False) as answer,
        ):
            echoed = await answer.content.read(64)
            return {
                "verified": answer.status == 200 and echoed == challenge.encode(),
                "http_status": answer.status,
            }
    except (aiohttp.ClientError, TimeoutError):
        return {"verified": False, "http_status": None}
