"""Make events as the services tell of them, and whole lives of intents. Sends them nowhere."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tests.stores.audit.facts import about, message, paused

from kernel.ids import uuid7
from whatlead.audit.v1 import event_pb2

ORGANIZATION = "bench"
_TYPES = ("SEND_STARTED", "SENT", "DELIVERED", "READ")
_LIFE = ("QUEUED", "APPROVED", "HELD", "SEND_STARTED", "SENT", "DELIVERED", "READ")


ENTRIES = len(_LIFE) + 3  # of the timeline of such a life


def batches(events: int, batch: int) -> list[list[bytes]]:
    """Make new events of intents that were sent, delivered and read, as the executor tells of them."""
    made = _sends(events)
    return [[next(made) for _ in range(min(batch, events - start))] for start in range(0, events, batch)]


def _sends(events: int) -> Iterator[bytes]:
    chance = random.Random(events)
    for number in range(events // len(_TYPES) + 1):
        intent_id, now = str(uuid7()), datetime.now(UTC)
        submitted = now - timedelta(seconds=chance.lognormvariate(0, 1))
        attempt = event_pb2.AttemptDetail(
            number=1, decision_number=1, provider="whatsapp_cloud", control_version=7, platform_version=2
        )
        for stamp, moment in (
            (attempt.began_at, now),
            (attempt.submitted_at, submitted),
            (attempt.approved_at, submitted),
        ):
            stamp.FromDatetime(moment)
        for sequence, type_ in enumerate(_TYPES, 1):
            sending = type_ in {"SEND_STARTED", "SENT"}
            yield message(
                f"MESSAGE_{type_}",
                at=now,
                event_id=str(uuid7()),
                organization_id=ORGANIZATION,
                aggregate_id=intent_id,
                sequence=sequence,
                trace_id=uuid7().hex,
                instance_id=f"inst-{number % 5}",
                campaign_id="campaign-1",
                **{"attempt": attempt} if sending else {"delivery": event_pb2.DeliveryDetail(attempt_number=1)},
            ).SerializeToString()


def life(intent_id: str, created: datetime) -> list[bytes]:
    """Make an intent's seven events and a pause that overlapped them."""
    own = [
        about(intent_id, number, f"MESSAGE_{kind}", at=created + timedelta(seconds=number))
        for number, kind in enumerate(_LIFE, start=1)
    ]
    around = [
        paused(intent_id[::-1], f"EXECUTION_{kind}", "CAMPAIGN", "black-friday", at=created + timedelta(seconds=after))
        for kind, after in (("PAUSED", 2), ("FENCED", 2.5), ("RESUMED", 3))
    ]
    return own + around
