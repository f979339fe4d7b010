"""Take one submitted item in: check its fields, recognise its number, seal what is handed over. Knows no other item."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.validation import Rules
from gate.application.messages import NewIntent
from gate.domain.recipient import SAO_PAULO, recognise
from gate.grpc_api.translation import CATEGORY_FROM_PROTO, moment
from gate.infrastructure.sealing import Vault
from kernel.clock import Clock
from kernel.errors import Failure, Violation, invalid
from whatlead.executor.v1 import executor_pb2
from whatlead.gate.v1 import intent_pb2

LONGEST_LIFE = timedelta(days=30)
DEFAULT_LANGUAGE = "pt_BR"
_TAIL = 8  # both forms of a number share its last 8 digits
_TOLD = ("request_id", "reference", "campaign_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Turns items of the wire into intents; neither number nor text goes on in the clear."""

    vault: Vault
    rules: Rules
    clock: Clock

    def take_of_many(self, organization_id: str, item: intent_pb2.NewIntent, *, prefix: str) -> NewIntent | Failure:
        """Take in an item of a list, whose rules nobody has checked: those of a lone one are checked with its call."""
        return self.take(organization_id, item, prefix=prefix, broken=self.rules.violations(item, prefix=prefix))

    def take(
        self, organization_id: str, item: intent_pb2.NewIntent, *, prefix: str, broken: Iterable[Violation] = ()
    ) -> NewIntent | Failure:
        """Return the intent, or the failure that names every bad field below `prefix`, with what was found `broken`."""
        violations = (
            *broken,
            *self._too_long(item, prefix),
            *_naming_number(item, prefix),
        )
        if violations:
            return invalid(*violations)
        recipient = recognise(item.recipient)
        number_hash = None
        if recipient is not None:
            number_hash = self.vault.hash_number(organization_id, recipient.canonical)
        return NewIntent(
            request_id=item.request_id,
            campaign_id=item.campaign_id,
            instance_id=item.instance_id,
            category=CATEGORY_FROM_PROTO[item.category],
            utc_offset=recipient.utc_offset if recipient is not None else SAO_PAULO,
            reference=item.reference,
            hold_if_paused=item.hold_if_paused,
            expire_time=self._expire_time(item),
            number_hash=number_hash,
            content_digest=self.vault.digest_content(item.campaign_id.encode(), *_compared(item)),
            content_hash=self.vault.hash_content(item.SerializeToString(deterministic=True)),
            sealed=self.vault.seal(organization_id, _handed_over(item)),
        )

    def _too_long(self, item: intent_pb2.NewIntent, prefix: str) -> Iterator[Violation]:
        expire_time = self._expire_time(item)
        if expire_time is not None and expire_time > self.clock.now() + LONGEST_LIFE:
            field = f"{prefix}.expire_time" if prefix else "expire_time"
            yield Violation(field=field, description="must be at most 30 days ahead")

    def _expire_time(self, item: intent_pb2.NewIntent) -> datetime | None:
        if not item.HasField("expire_time"):
            return None
        try:
            return moment(item.expire_time)
        except (ValueError, OverflowError):
            return None


def _naming_number(item: intent_pb2.NewIntent, prefix: str) -> Iterator[Violation]:
    """Refuse the recipient's number in what goes into events, which nobody can erase."""
    tail = item.recipient[-_TAIL:]
    if len(tail) < _TAIL or not tail.isdigit():
        return
    for name in _TOLD:
        if tail in getattr(item, name):
            field = f"{prefix}.{name}" if prefix else name
            yield Violation(
                field=field, description="must not hold the recipient's number: it is kept in events for good"
            )


def _compared(item: intent_pb2.NewIntent) -> tuple[bytes, ...]:
    """Return what makes two contents the same: the template's name, the text, or the file and what is said with it."""
    match item.WhichOneof("content"):
        case "template":
            return b"template", item.template.name.encode()
        case "text":
            return b"text", item.text.body.encode()
        case _:
            return b"media", item.media.SerializeToString(deterministic=True)


def _handed_over(item: intent_pb2.NewIntent) -> bytes:
    """Return the part of a job that holds number and content."""
    part = executor_pb2.ApprovedIntent(recipient=item.recipient)
    match item.WhichOneof("content"):
        case "template":
            part.template.CopyFrom(item.template)
            part.template.language = part.template.language or DEFAULT_LANGUAGE
        case "text":
            part.text.CopyFrom(item.text)
        case _:
            part.media.CopyFrom(item.media)
    return part.SerializeToString()
