"""The gate's own metrics: decisions by outcome and reason. Labels are closed sets."""

from collections import Counter
from collections.abc import Sequence

import structlog

from chassis.telemetry import meter
from gate.application.messages import Verdict
from gate.domain.words import Reason

_decisions = meter.create_counter("whatlead.gate.decisions", description="Decisions, by outcome and reason.")
_log = structlog.get_logger("gate.decisions")


def count_decisions(verdicts: Sequence[Verdict]) -> None:
    """Count, and raise the alarm for what could not be judged."""
    totals = Counter(
        (verdict.recorded.decision.outcome, verdict.recorded.decision.reason or "") for verdict in verdicts
    )
    for (outcome, reason), number in totals.items():
        _decisions.add(number, {"outcome": outcome, "reason": reason})
    failed = [v for v in verdicts if v.recorded.decision.reason is Reason.POLICY_UNAVAILABLE]
    if failed:
        decisive = failed[0].recorded.decision.decisive
        _log.error(
            "decisions.policy_unavailable",
            intents=len(failed),
            rule=decisive.rule if decisive is not None else "",
            error=decisive.note if decisive is not None else "",
        )
