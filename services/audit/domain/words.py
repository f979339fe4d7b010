"""The phrases that lines for people are made of: times, reasons, scopes. Knows nothing of events."""

from datetime import UTC, datetime, timedelta

REFUSED_BECAUSE = {
    "INTENT_EXPIRED": "its expire time had passed",
    "INVALID_RECIPIENT": "the recipient is not a mobile number that can be written to",
    "OPTED_OUT": "the recipient had opted out",
    "DUPLICATE_CONTENT": "the same message to the same recipient was accepted within the last 24 hours",
    "OPS_PAUSED": "sending was paused",
    "REPUTATION_TOO_LOW": "the instance's reputation is too low for this category",
    "WINDOW_CLOSED": "the recipient's 24-hour service window was closed",
    "TEMPLATE_DISABLED": "the template is disabled",
}

WAITS_FOR = {
    "OPS_PAUSED": "a pause to be lifted",
    "CONTROL_UNREACHABLE": "the control service to answer",
    "INSTANCE_DISCONNECTED": "{instance} to be connected",
    "COOLDOWN_ACTIVE": "the cooldown of {instance} to end",
    "TEMPLATE_PAUSED": "the template's pause to end",
    "QUIET_HOURS": "the recipient's quiet hours to end",
    "PORTFOLIO_LIMIT": "room under the organization's limit of recipients a day",
    "RECIPIENT_CAP": "room under the limit of messages to this recipient",
    "PAIR_RATE": "room under the limit of messages to this recipient from {instance}",
    "INSTANCE_CAP": "room under {limiter} of {instance}",
    "WARMUP_CAP": "room under the warm-up limit of {instance}",
    "PACE": "its turn at {instance}",
    "POLICY_UNAVAILABLE": "a rule that could not be evaluated",
}

DID_NOT_WORK = {
    "ATTEMPTS_EXHAUSTED": "its attempts were used up",
    "PERMIT_LAPSED": "its permit had run out",
    "PERMIT_REVOKED": "a pause had begun",
    "TAKE_UNCONFIRMED": "the database did not confirm that it was taken",
    "STOPPED": "the executor was stopping",
    "LEASE_LAPSED": "the executor that was sending it went away",
    "PROVIDER_NOT_CONFIGURED": "the provider is not configured",
    "ADAPTER_ERROR": "the provider's adapter failed",
}

DECIDED_AGAIN = {
    "APPROVAL_EXPIRED": "its approval had run out",
    "RETRY_REQUESTED": "another try was asked for",
    "RESEND": "it is to be sent again",
}


def moment(at: datetime) -> str:
    """Write a time to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def instant(at: datetime) -> str:
    """Write a time to the millisecond, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def until(at: datetime | None, otherwise: str = "") -> str:
    """Write ` until …`, or what stands for it where there is no time."""
    if at is not None:
        return f" until {moment(at)}"
    return f" {otherwise}" if otherwise else ""


def duration(span: timedelta) -> str:
    """Write a span of time as one or two units."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def number(value: float) -> str:
    """Write a number without a needless fraction."""
    return f"{value:g}"


def named(instance_id: str) -> str:
    """Name the instance, or say that there is none yet."""
    return instance_id or "an instance"


def refused_because(reason: str) -> str:
    """Say why the gate refused, with the reason's word."""
    phrase = REFUSED_BECAUSE.get(reason)
    return f"{phrase} ({reason})" if phrase else reason or "no reason was given"


def waits_for(reason: str, *, instance_id: str, limiter: str) -> str:
    """Say what a deferred intent waits for, with the reason's word."""
    phrase = WAITS_FOR.get(reason, "the gate's next decision")
    text = phrase.format(instance=named(instance_id), limiter=limiter or "a limit")
    return f"{text} ({reason})" if reason else text


def told(reason: str, provider_code: str) -> str:
    """Write why the provider or the executor says that a send did not work."""
    code = f", provider code {provider_code}" if provider_code else ""
    phrase = DID_NOT_WORK.get(reason)
    said = f"{phrase} ({reason})" if phrase else reason
    return f"{said or 'no reason was given'}{code}"


def decided_again_because(reason: str) -> str:
    """Say why the gate has to decide once more."""
    return DECIDED_AGAIN.get(reason, f"it came back ({reason})" if reason else "it came back")


def covered(scope: str, target: str) -> str:
    """Name what a pause covers."""
    match scope:
        case "INSTANCE" | "CAMPAIGN":
            return f"{scope.lower()} {target}"
        case "ORGANIZATION":
            return "the whole organization"
        case "PLATFORM":
            return "the whole platform"
        case _:
            return target or "this scope"


def because(note: str, actor: str) -> str:
    """Write the reason that was given and who gave it, in brackets."""
    parts = [f"“{note}”" if note else "", f"by {actor}" if actor else ""]
    inside = ", ".join(part for part in parts if part)
    return f"({inside})" if inside else ""
