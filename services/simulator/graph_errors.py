"""The Cloud API's error codes as data, and the JSON Meta wraps them in. Knows no fate and no request.

Source: Meta, "Cloud API error codes", as of June 2026. The HTTP status is the documented one; the title goes
into the message.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphError:
    """One row: the HTTP status of a synchronous answer, the title, and what usually lies behind it."""

    http_status: int
    title: str
    details: str = ""


GRAPH_ERRORS: dict[int, GraphError] = {
    0: GraphError(401, "AuthException", "We were unable to authenticate the app user."),
    1: GraphError(400, "API Unknown", "Invalid request or possible server error."),
    2: GraphError(503, "API Service", "Temporary due to downtime or due to being overloaded."),
    3: GraphError(500, "API Method", "Capability or permissions issue."),
    4: GraphError(400, "API Too Many Calls", "The app has reached its API call rate limit."),
    10: GraphError(403, "Permission Denied", "Permission is either not granted or has been removed."),
    33: GraphError(400, "Parameter value is not valid", "The business phone number has been deleted."),
    100: GraphError(400, "Invalid parameter", "One or more parameters are unsupported or misspelled."),
    190: GraphError(401, "Invalid OAuth access token - Cannot parse access token"),
    200: GraphError(403, "API Permission", "Permission is either not granted or has been removed."),
    368: GraphError(403, "Temporarily blocked for policies violations"),
    2500: GraphError(400, "Unknown path components"),
    80007: GraphError(400, "Rate limit issues", "The WhatsApp Business Account has reached its rate limit."),
    130403: GraphError(403, "Account is not permitted to send"),
    130429: GraphError(400, "Rate limit hit", "Cloud API message throughput has been reached."),
    130472: GraphError(400, "User's number is part of an experiment"),
    130497: GraphError(403, "Business account is restricted from messaging users in this country"),
    131000: GraphError(500, "Something went wrong", "Message failed to send due to an unknown error."),
    131005: GraphError(403, "Access denied", "Permission is either not granted or has been removed."),
    131008: GraphError(400, "Required parameter is missing"),
    131009: GraphError(400, "Parameter value is not valid"),
    131016: GraphError(500, "Service unavailable", "A service is temporarily unavailable."),
    131021: GraphError(400, "Recipient cannot be sender"),
    131026: GraphError(400, "Message undeliverable", "Unable to deliver message."),
    131031: GraphError(403, "Account has been locked"),
    131042: GraphError(400, "Business eligibility payment issue"),
    131045: GraphError(500, "Incorrect certificate", "Message failed to send due to a registration error."),
    131047: GraphError(400, "Re-engagement message", "More than 24 hours have passed since the recipient's reply."),
    131048: GraphError(400, "Spam rate limit hit", "Too many messages of this number were blocked or reported."),
    131049: GraphError(400, "Message not delivered to maintain healthy ecosystem engagement"),
    131050: GraphError(400, "User has stopped receiving marketing messages"),
    131051: GraphError(400, "Unsupported message type"),
    131052: GraphError(400, "Media download error"),
    131053: GraphError(400, "Media upload error"),
    131056: GraphError(400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: GraphError(500, "Account in maintenance mode"),
    132000: GraphError(400, "Number of parameters does not match the expected number of params"),
    132001: GraphError(404, "Template name does not exist in the translation"),
    132005: GraphError(400, "Translated text too long"),
    132007: GraphError(400, "Template content violates a WhatsApp policy"),
    132012: GraphError(400, "Parameter format does not match format in the created template"),
    132015: GraphError(400, "Template is paused"),
    132016: GraphError(400, "Template is disabled"),
    132068: GraphError(400, "Flow is blocked"),
    132069: GraphError(400, "Flow is throttled"),
    133004: GraphError(503, "Server temporarily unavailable"),
    133010: GraphError(400, "Phone number not registered on the WhatsApp Business Platform"),
    135000: GraphError(400, "Generic user error"),
}

_UNLISTED = GraphError(400, "Unknown error")


def graph_error(code: int) -> GraphError:
    """Return the row of a code; a code not in the table is a plain 400."""
    return GRAPH_ERRORS.get(code, _UNLISTED)


def error_body(*, code: int, trace: str, details: str | None = None) -> dict[str, Any]:
    """Return the JSON of a refused call."""
    row = graph_error(code)
    return {
        "error": {
            "message": row.title if code in (0, 190) else f"(#{code}) {row.title}",
            "type": "OAuthException",
            "code": code,
            "error_data": {"messaging_product": "whatsapp", "details": details or row.details or row.title},
            "fbtrace_id": trace,
        }
    }


def status_error(code: int) -> dict[str, Any]:
    """Return the JSON of an error in a `failed` status."""
    row = graph_error(code)
    return {
        "code": code,
        "title": row.title,
        "message": row.title,
        "error_data": {"details": row.details or row.title},
        "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
    }
