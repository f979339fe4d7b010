"""Submit: accept intents, decide them in order and hand over what is approved, in one transaction a batch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from gate.application.again import scopes_to_ask
from gate.application.batch_ids import batch_ids
from gate.application.judging import Bench, wait_of
from gate.application.messages import Message, NewIntent, Recorded, Submission, Submitted, Verdict, Wait
from gate.application.ports import (
    Asked,
    Control,
    CountDecisions,
    Facts,
    InstanceKey,
    Organization,
    RecipientFacts,
    RecipientKey,
    Replay,
    Store,
    Wake,
)
from gate.domain.facts import Controls, Scope
from gate.domain.words import Outcome
from kernel.clock import Clock
from kernel.errors import Failure, Kind
from kernel.values import value

LIFETIME = timedelta(days=7)
Result = Submitted | Failure


@value
class Item:
    """One intent of one submission of a batch. `request` is the key of its idempotency."""

    submission: Submission
    new: NewIntent
    request: tuple[str, str]


async def submit(
    submissions: Sequence[Submission],
    *,
    control: Control,
    store: Store,
    clock: Clock,
    wake: Wake,
    count: CountDecisions,
) -> list[list[Result]]:
    """Return one result an intent. Raises Failure if nothing was stored.

    Control is asked once and before the transaction: a submit made after Pause answered is judged with it.
    """
    items = items_of(submissions)
    controls = await control.check(await scopes_of_items(items, store))
    async with store.deciding() as tx:
        organizations = await tx.lock({submission.organization_id for submission in submissions}, _named(items))
        replays = await tx.replays([item.request for item in items])
        results, verdicts = await _decide(tx, items, organizations, replays, controls, clock.now())
        waits = [
            wait_of(verdict.message, verdict.recorded.decision)
            for verdict in verdicts
            if verdict.recorded.decision.outcome is Outcome.QUEUED
        ]
        if verdicts:
            await tx.insert(verdicts, waits)
            await tx.save_schedules(organizations.values())
            tx.tell(verdicts, organizations)
    _wake(waits, wake)
    count(verdicts)
    flat = iter(results)
    return [[next(flat) for _ in submission.intents] for submission in submissions]


def _named(items: Sequence[Item]) -> set[InstanceKey] | None:
    """Return the instances that the items name; None if one of them leaves the choice to us."""
    named = {(item.submission.organization_id, item.new.instance_id) for item in items}
    return named if all(instance_id for _, instance_id in named) else None


def items_of(submissions: Iterable[Submission]) -> list[Item]:
    """Return every intent of `submissions`, in order."""
    return [
        Item(submission=submission, new=new, request=(submission.organization_id, new.request_id))
        for submission in submissions
        for new in submission.intents
    ]


async def scopes_of_items(items: Sequence[Item], store: Store) -> set[Scope]:
    """Return what control has to be asked, once each; for intents that name no instance, about all that there are."""
    return await scopes_to_ask(
        {Asked(item.submission.organization_id, item.new.campaign_id, item.new.instance_id) for item in items},
        store,
    )


async def _decide(
    tx: Facts,
    items: Sequence[Item],
    organizations: Mapping[str, Organization],
    replays: Mapping[tuple[str, str], Replay],
    controls: Controls,
    now: datetime,
) -> tuple[list[Result], list[Verdict]]:
    seen = dict(replays)
    bench = await load_bench(tx, items, organizations, controls, now, known=seen)
    results: list[Result] = []
    verdicts: list[Verdict] = []
    recorded: dict[tuple[str, int], Recorded] = {}
    intent_ids = batch_ids(now, len(items))
    for item in items:
        earlier = seen.get(item.request)
        if earlier is not None:
            results.append(_replayed(item.new, earlier))
            continue
        message = message_of(item, next(intent_ids), bench.recipients, now)
        decision = bench.judge(message)
        told = item.submission.subject, id(decision)
        if told not in recorded:
            recorded[told] = Recorded(number=1, decided_by=item.submission.subject, decision=decision)
        verdict = Verdict(message=message, sequence=1, recorded=recorded[told])
        verdicts.append(verdict)
        results.append(Submitted(intent_id=verdict.message.intent_id, recorded=verdict.recorded, replayed=False))
        seen[item.request] = Replay(
            intent_id=verdict.message.intent_id, content_hash=item.new.content_hash, recorded=verdict.recorded
        )
    return results, verdicts


async def load_bench(
    tx: Facts,
    items: Sequence[Item],
    organizations: Mapping[str, Organization],
    controls: Controls,
    now: datetime,
    *,
    known: Mapping[tuple[str, str], Replay],
) -> Bench:
    """Load the facts of what is new. Who was unknown until now has got nothing yet."""
    contents = {
        (item.submission.organization_id, item.new.number_hash, item.new.content_digest)
        for item in items
        if item.new.number_hash is not None and item.request not in known
    }
    people = sorted({(organization_id, number_hash) for organization_id, number_hash, _ in contents})
    recipients = await tx.recipients(people) if people else {}
    met = {key for key, recipient in recipients.items() if not recipient.made}
    earlier = sorted(content for content in contents if content[:2] in met)
    since = {key: now - organization.policy.duplicate_window for key, organization in organizations.items()}
    return Bench(
        organizations=organizations,
        controls=controls,
        recipients=recipients,
        contents=await tx.contents(earlier, since) if earlier else {},
        now=now,
    )


def _replayed(new: NewIntent, earlier: Replay) -> Result:
    if not earlier.content_hash:
        return Failure(
            Kind.FAILED_PRECONDITION,
            "FORGOTTEN",
            "this request id came before; what it was for is not kept any more. Use a new one for a new message",
        )
    if earlier.content_hash != new.content_hash:
        return Failure(
            Kind.ALREADY_EXISTS,
            "REQUEST_ID_REUSED",
            "this request id came before with other content; use a new one for new content",
        )
    return Submitted(intent_id=earlier.intent_id, recorded=earlier.recorded, replayed=True)


def message_of(
    item: Item, intent_id: UUID, recipients: Mapping[RecipientKey, RecipientFacts], now: datetime
) -> Message:
    """Give an item its id and what it has from its submission."""
    new, submission = item.new, item.submission
    known = recipients.get((submission.organization_id, new.number_hash)) if new.number_hash is not None else None
    return Message(
        organization_id=submission.organization_id,
        intent_id=intent_id,
        request_id=new.request_id,
        campaign_id=new.campaign_id,
        asked_instance_id=new.instance_id,
        category=new.category,
        utc_offset=new.utc_offset,
        reference=new.reference,
        hold_if_paused=new.hold_if_paused,
        expire_time=new.expire_time if new.expire_time is not None else now + LIFETIME,
        number_hash=new.number_hash,
        recipient_id=known.recipient_id if known is not None else None,
        content_digest=new.content_digest,
        content_hash=new.content_hash,
        sealed=new.sealed,
        traceparent=submission.traceparent,
        submitted_at=now,
    )


def _wake(waits: Sequence[Wait], wake: Wake) -> None:
    if waits:
        wake(min(wait.due_at for wait in waits))
