"""The gate's words and decisions in protos, and back. The words of domain and wire cover each other, both ways."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from gate.application.messages import Recorded, Submitted, View
from gate.application.returns import Returned
from gate.domain.decision import RuleResult
from gate.domain.words import CancelOutcome, Category, Effect, IntentState, Outcome
from gate.infrastructure.wire import stamp
from kernel.errors import Failure, Violation, invalid
from whatlead.gate.v1 import gate_pb2, intent_pb2

CATEGORY_TO_PROTO = {category: intent_pb2.Category.Value(f"CATEGORY_{category}") for category in Category}
CATEGORY_FROM_PROTO = {number: category for category, number in CATEGORY_TO_PROTO.items()}
OUTCOME_TO_PROTO = {outcome: intent_pb2.Outcome.Value(f"OUTCOME_{outcome}") for outcome in Outcome}
STATE_TO_PROTO = {state: intent_pb2.IntentState.Value(f"INTENT_STATE_{state}") for state in IntentState}
STATE_FROM_PROTO = {number: state for state, number in STATE_TO_PROTO.items()}
EFFECT_TO_PROTO = {effect: intent_pb2.Effect.Value(f"EFFECT_{effect}") for effect in Effect}
CANCEL_TO_PROTO = {outcome: intent_pb2.CancelOutcome.Value(f"CANCEL_OUTCOME_{outcome}") for outcome in CancelOutcome}


def moment(timestamp: Timestamp) -> datetime:
    """Return an aware timestamp, to the microsecond."""
    return timestamp.ToDatetime(tzinfo=UTC)


def decision_to_proto(recorded: Recorded, *, with_rules: bool) -> intent_pb2.Decision:
    """Return a decision as callers see it."""
    decision, tightest, decisive = recorded.decision, recorded.decision.tightest_limit, recorded.decision.decisive
    return intent_pb2.Decision(
        number=recorded.number,
        outcome=OUTCOME_TO_PROTO[decision.outcome],
        reason=decision.reason or "",
        earliest_time=stamp(decision.earliest_time),
        approved_until=stamp(decision.approved_until),
        rules=[_rule(result) for result in decision.rules] if with_rules else (),
        binding_limiter=decision.binding_limiter or "",
        tightest_limit=(
            intent_pb2.LimitReading(rule=tightest.rule, used=tightest.used, limit=tightest.limit)
            if tightest is not None
            else None
        ),
        policy_version=decision.policy_version,
        control_version=decision.control_version,
        decided_at=stamp(decision.decided_at),
        decided_by=recorded.decided_by,
        instance_id=decision.instance_id,
        note=decisive.note if decisive is not None else "",
    )


def _rule(result: RuleResult) -> intent_pb2.RuleResult:
    return intent_pb2.RuleResult(
        rule=result.rule,
        effect=EFFECT_TO_PROTO[result.effect],
        reason=result.reason or "",
        used=result.used,
        limit=result.limit,
        unit=result.unit,
        resets_at=stamp(result.resets_at),
        decisive=result.decisive,
        note=result.note,
    )


def answer(into: gate_pb2.SubmittedIntent, submitted: Submitted, decision: intent_pb2.Decision) -> None:
    """Write the answer for an accepted intent; `decision` is its decision without the rules."""
    into.intent_id = str(submitted.intent_id)
    into.decision.CopyFrom(decision)
    into.replayed = submitted.replayed


def view_to_proto(view: View, *, with_rules: bool) -> intent_pb2.MessageIntent:
    """Return an intent as callers see it."""
    message, standing = view.message, view.standing
    return intent_pb2.MessageIntent(
        intent_id=str(message.intent_id),
        request_id=message.request_id,
        reference=message.reference,
        campaign_id=message.campaign_id,
        instance_id=standing.instance_id or message.asked_instance_id,
        category=CATEGORY_TO_PROTO[message.category],
        state=STATE_TO_PROTO[standing.state],
        recipient_id=str(message.recipient_id) if message.recipient_id is not None else "",
        decision=decision_to_proto(view.recorded, with_rules=with_rules),
        create_time=stamp(message.submitted_at),
        expire_time=stamp(message.expire_time),
    )


def returned_from_proto(item: gate_pb2.ReturnedIntent, prefix: str) -> Returned | Failure:
    """Return what came back, or the failure that names its bad fields."""
    violations = []
    try:
        intent_id = UUID(item.intent_id)
    except ValueError:
        violations.append(Violation(field=f"{prefix}.intent_id", description="must be a UUID"))
    violations.extend(
        Violation(field=f"{prefix}.{name}", description="must be given")
        for name in ("organization_id", "decision_number", "sequence")
        if not getattr(item, name)
    )
    if violations:
        return invalid(*violations)
    return Returned(
        organization_id=item.organization_id,
        intent_id=intent_id,
        decision_number=item.decision_number,
        sequence=item.sequence,
    )
