"""How answers of the API look as tables for people. Makes no calls."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rich.table import Table

from console.output import table
from whatlead.audit.v1 import timeline_pb2
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import intent_pb2


def moment(timestamp: Timestamp) -> str:
    """Return a time of day in the local zone, with the date when it is not today's; `-` if unset."""
    if not timestamp.seconds:
        return "-"
    local = timestamp.ToDatetime(UTC).astimezone()
    pattern = "%H:%M:%S.%f" if local.date() == datetime.now(UTC).astimezone().date() else "%Y-%m-%d %H:%M:%S.%f"
    return local.strftime(pattern)[:-3]


def seconds(duration: Duration) -> str:
    """Return a duration as seconds with three decimals."""
    return f"{duration.seconds + duration.nanos / 1e9:.3f} s"


def controls_table(controls: Iterable[control_pb2.ExecutionControl]) -> Table:
    """One line a pause."""
    rows = [
        (
            control.control_id,
            control_pb2.Scope.Name(control.scope).removeprefix("SCOPE_"),
            control.target or "-",
            control_pb2.ControlState.Name(control.state).removeprefix("CONTROL_STATE_"),
            _goes_on(control),
            control.reason,
            control_pb2.Source.Name(control.source).removeprefix("SOURCE_"),
            control.paused_by,
            moment(control.create_time),
            moment(control.fenced_at),
            moment(control.paused_until),
        )
        for control in controls
    ]
    columns = ("id", "scope", "target", "state", "goes on", "reason", "source", "by", "paused", "fenced", "until")
    return table("pauses", columns, rows)


def _goes_on(control: control_pb2.ExecutionControl) -> str:
    resumption = control.resumption
    match resumption.state:
        case control_pb2.RESUMPTION_STATE_CANARY:
            return f"canary of {resumption.canary.sends}"
        case control_pb2.RESUMPTION_STATE_RAMPING:
            return f"at {resumption.rate_factor:.0%}, all at {moment(resumption.complete_time)}"
        case control_pb2.RESUMPTION_STATE_COMPLETE:
            return "at full pace"
        case control_pb2.RESUMPTION_STATE_FAILED:
            return f"canary failed: {resumption.failed_control_id}"
        case _:
            return "-"


def radius_tables(radius: control_pb2.BlastRadius) -> list[Table]:
    """What a pause would stop: in all, by campaign, by instance."""
    counts = ("intents waiting", "jobs waiting", "being sent")

    def numbers(work: control_pb2.WorkCount) -> tuple[int, int, int]:
        return work.intents, work.jobs, work.in_flight

    return [
        table("a pause would stop", ("", *counts), [("all", *numbers(radius.total))]),
        table("campaigns", ("campaign", *counts), [(one.campaign_id, *numbers(one.work)) for one in radius.campaigns]),
        table(
            "instances",
            ("instance", *counts),
            [(one.instance_id or "not chosen yet", *numbers(one.work)) for one in radius.instances],
        ),
    ]


def intent_tables(intent: intent_pb2.MessageIntent) -> list[Table]:
    """An intent's decision, then its rules."""
    decision = intent.decision
    facts = [
        ("intent", intent.intent_id),
        ("reference", intent.reference or "-"),
        ("campaign", intent.campaign_id),
        ("instance", intent.instance_id or "-"),
        (
            "decision",
            f"{decision.number}: {intent_pb2.Outcome.Name(decision.outcome).removeprefix('OUTCOME_')}",
        ),
        ("reason", decision.reason or "-"),
        ("earliest", moment(decision.earliest_time)),
        (
            "decided",
            f"{moment(decision.decided_at)} by {decision.decided_by}, policy {decision.policy_version}",
        ),
    ]
    rules = [
        (
            "→" if rule.decisive else "",
            rule.rule,
            intent_pb2.Effect.Name(rule.effect).removeprefix("EFFECT_"),
            rule.reason,
            f"{rule.used:g} of {rule.limit:g} {rule.unit}" if rule.HasField("limit") else "",
            moment(rule.resets_at),
            rule.note,
        )
        for rule in decision.rules
    ]
    return [
        table("intent", ("", ""), facts),
        table("rules", ("", "rule", "effect", "reason", "used", "resets", "note"), rules),
    ]


def stop_tables(stop: timeline_pb2.GetPauseTimelineResponse) -> list[Table]:
    """When sending really stopped: the pause's events, then the last send."""
    events = [(moment(entry.event.occurred_at), entry.event.actor or "-", entry.summary) for entry in stop.entries]
    outcome = stop.last_send.outcome
    facts = [
        ("the last send began", moment(stop.last_send.began_at)),
        ("  of intent", outcome.aggregate_id or "-"),
        ("  by", outcome.instance_id or "-"),
        ("began between commit and fence", stop.begun_before_fence),
        ("began after the fence", stop.begun_after_fence),
        ("ended without a word of their beginning", stop.unaccounted),
    ]
    note = " (of the newest 5,000 attempts)" if stop.partial else ""
    return [
        table(stop.answer, ("when", "by", "what"), events),
        table(f"sends{note}", ("", ""), facts),
    ]
