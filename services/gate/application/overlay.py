"""Say of an intent that waits in a paused scope that it does: nothing is written on a million of them for a pause."""

from dataclasses import replace

from gate.application.messages import View
from gate.application.paused_scopes import PausedScopes
from gate.domain.instance_rules import held_by
from gate.domain.words import IntentState


def overlaid(view: View, paused: PausedScopes) -> View:
    """Show what is known to be paused in place of what the newest decision of a QUEUED intent waits for."""
    message = view.message
    pauses = paused.covering(message.organization_id, message.campaign_id, message.asked_instance_id)
    if view.standing.state is not IntentState.QUEUED or not pauses:
        return view
    held = replace(held_by(pauses), decisive=True)
    decision = view.recorded.decision
    shown = replace(
        decision,
        reason=held.reason,
        earliest_time=held.until,
        binding_limiter=None,
        rules=tuple(held if result.rule is held.rule else replace(result, decisive=False) for result in decision.rules)
        if any(result.rule is held.rule for result in decision.rules)
        else (held,),
    )
    return replace(view, recorded=replace(view.recorded, decision=shown))
