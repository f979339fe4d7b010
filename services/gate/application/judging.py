"""Decide many intents in order, with the counters in memory, so that limits and duplicates hold inside a batch.

Knows neither where facts come from nor how verdicts are stored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from gate.application.messages import Held, Message, Wait
from gate.application.ports import ContentKey, Organization, RecipientFacts, RecipientKey
from gate.domain.case import LATE
from gate.domain.decide import decide
from gate.domain.decision import Decision
from gate.domain.facts import Controls, Facts, Instance, Intent
from gate.domain.instance_rules import NEAR
from gate.domain.moments import microseconds, timestamp
from gate.domain.schedule import SECOND, Slot
from gate.domain.words import Outcome, Reason

TIME, RESUME, CONTROL, INSTANCE, COOLDOWN = "TIME", "RESUME", "CONTROL", "INSTANCE", "COOLDOWN"
_GRID = SECOND // 4
_WAITS_FOR = {
    Reason.OPS_PAUSED: RESUME,
    Reason.CONTROL_UNREACHABLE: CONTROL,
    Reason.INSTANCE_DISCONNECTED: INSTANCE,
    Reason.COOLDOWN_ACTIVE: COOLDOWN,
}


@dataclass(slots=True, kw_only=True)
class Bench:
    """The facts of one batch. Slots and contents are counted in as verdicts fall."""

    organizations: Mapping[str, Organization]
    controls: Controls
    recipients: Mapping[RecipientKey, RecipientFacts]
    contents: Mapping[ContentKey, Sequence[UUID]]
    now: datetime
    accepted_contents: set[ContentKey] = field(default_factory=set)
    _alike: dict[tuple[object, ...], Decision] = field(default_factory=dict)

    def judge(self, message: Message, held: Held | None = None) -> Decision:
        """Decide, and take the slot; give up the one held before unless it is kept."""
        organization = self.organizations[message.organization_id]
        suppressed, duplicate = self._known(message, new=held is None)
        if held is None:
            decision = self._first(organization, message, suppressed=suppressed, duplicate=duplicate)
            slot = None
        else:
            slot = held.standing.slot
            missed = slot is not None and slot.at + LATE < microseconds(self.now)
            decision = self._decide(
                organization,
                message,
                suppressed=suppressed,
                duplicate=duplicate,
                accepted=True,
                slot=None if missed else slot,
                held_by=held.standing.instance_id,
            )
            if is_silent(decision, held):
                return decision
            if slot is not None and decision.slot is not slot:
                give_back(organization, held.standing.instance_id, slot)
        if decision.slot is not None and decision.slot is not slot:
            organization.instances[decision.instance_id].schedule.take(decision.slot)
        if decision.outcome is not Outcome.BLOCKED and message.number_hash is not None:
            self.accepted_contents.add((message.organization_id, message.number_hash, message.content_digest))
        return decision

    def _first(self, organization: Organization, message: Message, *, suppressed: bool, duplicate: bool) -> Decision:
        """Decide a new intent; without limits those that are alike share one decision, which then says the same."""
        if not (message.asked_instance_id and organization.policy.limitless):
            return self._decide(organization, message, suppressed=suppressed, duplicate=duplicate)
        alike = (
            message.organization_id,
            message.campaign_id,
            message.asked_instance_id,
            message.category,
            message.utc_offset,
            message.expire_time,
            message.hold_if_paused,
            message.number_hash is not None,
            suppressed,
            duplicate,
        )
        decision = self._alike.get(alike)
        if decision is None:
            decision = self._decide(organization, message, suppressed=suppressed, duplicate=duplicate)
            self._alike[alike] = decision
        return decision

    def _decide(
        self,
        organization: Organization,
        message: Message,
        *,
        suppressed: bool,
        duplicate: bool,
        accepted: bool = False,
        slot: Slot | None = None,
        held_by: str = "",
    ) -> Decision:
        return decide(
            Intent(
                intent_id=message.intent_id,
                organization_id=message.organization_id,
                campaign_id=message.campaign_id,
                instance_id=message.asked_instance_id,
                category=message.category,
                utc_offset=message.utc_offset,
                expire_time=message.expire_time,
                hold_if_paused=message.hold_if_paused,
                accepted=accepted,
            ),
            Facts(
                mobile=message.number_hash is not None,
                suppressed=suppressed,
                duplicate=duplicate,
                policy=organization.policy,
                policy_version=organization.policy_version,
                controls=self.controls,
                instances=candidates(organization, message.asked_instance_id),
                held=slot,
                held_by=held_by,
            ),
            self.now,
        )

    def _known(self, message: Message, *, new: bool) -> tuple[bool, bool]:
        """Tell whether the recipient asked to stop, and whether they have, or in this batch get, the same content."""
        if message.number_hash is None:
            return False, False
        recipient = self.recipients.get((message.organization_id, message.number_hash))
        content = (message.organization_id, message.number_hash, message.content_digest)
        found = self.contents.get(content, ())
        duplicate = any(other != message.intent_id for other in found) if found else False
        return recipient is not None and recipient.suppressed, duplicate or (new and content in self.accepted_contents)


def candidates(organization: Organization, asked_instance_id: str) -> Sequence[Instance]:
    """Return the instance that was asked for, if there is one, or all."""
    if not asked_instance_id:
        return tuple(organization.instances.values())
    named = organization.instances.get(asked_instance_id)
    return (named,) if named is not None else ()


def give_back(organization: Organization, instance_id: str, slot: Slot) -> None:
    """Free a slot in the schedule it belongs to."""
    instance = organization.instances.get(instance_id)
    if instance is not None:
        instance.schedule.give_back(slot)


def is_silent(decision: Decision, held: Held) -> bool:
    """Tell whether a further decision says nothing new: then it is not written and the intent just goes on waiting."""
    if decision.outcome is not Outcome.QUEUED or held.standing.state.value != Outcome.QUEUED.value:
        return False
    if decision.reason in (Reason.OPS_PAUSED, Reason.CONTROL_UNREACHABLE):
        return True
    if decision.reason is Reason.QUIET_HOURS:
        return False  # another night has another end, and callers are told it
    unchanged = decision.reason is not None and decision.reason.value == held.standing.reason
    return unchanged and decision.slot == held.standing.slot


def wait_of(message: Message, decision: Decision) -> Wait:
    """Return when and by what event a QUEUED intent is decided again.

    A slot comes due a second before it, on a grid, so that what is near together is released together.
    """
    waits_for = _WAITS_FOR.get(decision.reason, TIME) if decision.reason is not None else TIME
    if decision.slot is not None:
        before = decision.slot.at - NEAR
        due_at = timestamp(-(-before // _GRID) * _GRID)
    elif waits_for in (RESUME, INSTANCE) or decision.earliest_time is None:
        due_at = message.expire_time
    else:
        due_at = max(decision.earliest_time, decision.decided_at + timedelta(milliseconds=250))
    return Wait(message=message, due_at=min(due_at, message.expire_time), waits_for=waits_for)
