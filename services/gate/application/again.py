"""Decide accepted intents again: those that come due, and those that came back. Knows not why they were chosen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gate.application.judging import Bench, give_back, is_silent, wait_of
from gate.application.messages import Ending, Held, Recorded, Verdict, Wait
from gate.application.ports import Asked, Deciding, Organization, Store, scopes_of
from gate.domain.facts import Controls, Scope
from gate.domain.words import IntentState, Outcome, Reason
from kernel.clock import Clock

SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedAgain:
    """What came of it."""

    verdicts: Sequence[Verdict]
    waits: Sequence[Wait]


async def scopes_to_ask(asked: Iterable[Asked], store: Store) -> set[Scope]:
    """Return what control has to be asked about intents, once each."""
    alike = set(asked)
    choosing = sorted({one.organization_id for one in alike if not one.instance_id})
    instances = await store.instance_ids(choosing) if choosing else {}
    scopes: set[Scope] = set()
    for organization_id, campaign_id, instance_id in alike:
        candidates = [instance_id] if instance_id else instances.get(organization_id, ())
        scopes.update(scopes_of(organization_id, campaign_id, candidates))
    return scopes


async def decide_again(
    tx: Deciding,
    organizations: Mapping[str, Organization],
    helds: Sequence[Held],
    controls: Controls,
    clock: Clock,
) -> DecidedAgain:
    """Decide under the lock and write. What says nothing new is not written: the intent just goes on waiting."""
    now = clock.now()
    bench = await _bench(tx, organizations, helds, controls, clock)
    verdicts: list[Verdict] = []
    waits: list[Wait] = []
    silent: list[Wait] = []
    endings: list[Ending] = []
    for held in helds:
        message, standing = held.message, held.standing
        if message.expire_time <= now or message.forgotten:
            endings.append(_ending(held, expired=message.expire_time <= now))
            if standing.slot is not None:
                give_back(organizations[message.organization_id], standing.instance_id, standing.slot)
            continue
        decision = bench.judge(message, held)
        if is_silent(decision, held):
            silent.append(_silent_wait(held, wait_of(message, decision)))
            continue
        recorded = Recorded(number=standing.decision_number + 1, decided_by=SYSTEM, decision=decision)
        verdicts.append(Verdict(message=message, sequence=standing.sequence, recorded=recorded))
        if decision.outcome is Outcome.QUEUED:
            waits.append(wait_of(message, decision))
    await tx.update(verdicts, waits)
    if silent:
        await tx.keep_waiting(silent)
    await tx.end(endings, now)
    await tx.save_schedules(organizations.values())
    tx.tell(verdicts, organizations)
    return DecidedAgain(verdicts=verdicts, waits=[*waits, *silent])


def _ending(held: Held, *, expired: bool) -> Ending:
    """Return the end of an intent that is with the gate, perhaps since the executor gave it back a moment ago."""
    with_gate = replace(held, standing=replace(held.standing, state=IntentState.QUEUED))
    if expired:
        return Ending(held=with_gate, state=IntentState.EXPIRED, actor=SYSTEM, reason=Reason.INTENT_EXPIRED, note="")
    note = "its content is not kept"
    return Ending(held=with_gate, state=IntentState.CANCELED, actor=SYSTEM, reason=Reason.FORGOTTEN, note=note)


def _silent_wait(held: Held, wait: Wait) -> Wait:
    """Keep an intent in a paused scope until an event, whatever its slot."""
    return replace(wait, due_at=held.message.expire_time) if wait.waits_for != "TIME" else wait


async def _bench(
    tx: Deciding,
    organizations: Mapping[str, Organization],
    helds: Sequence[Held],
    controls: Controls,
    clock: Clock,
) -> Bench:
    now = clock.now()
    keyed = [held.message for held in helds if held.message.number_hash is not None]
    recipients = sorted({(m.organization_id, m.number_hash) for m in keyed if m.number_hash is not None})
    contents = sorted(
        {(m.organization_id, m.number_hash, m.content_digest) for m in keyed if m.number_hash is not None}
    )
    since = {key: now - organization.policy.duplicate_window for key, organization in organizations.items()}
    return Bench(
        organizations=organizations,
        controls=controls,
        recipients=await tx.recipients(recipients) if recipients else {},
        contents=await tx.contents(contents, since) if contents else {},
        now=now,
    )
