"""Every bad field is named, by the path that the caller wrote."""

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.validation import Rules
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2
from whatlead.gate.v1 import gate_pb2, instance_pb2, intent_pb2, policy_pb2

RULES = Rules()
GOOD_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def pause(**fields: object) -> control_pb2.PauseRequest:
    good: dict[str, object] = {"request_id": "r", "scope": control_pb2.SCOPE_CAMPAIGN, "target": "c", "reason": "why"}
    return control_pb2.PauseRequest(**(good | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        pytest.param(pause(), [], id="good"),
        pytest.param(pause(scope=0), ["scope"], id="unspecified"),
        pytest.param(pause(scope=77), ["scope"], id="unknown enum value"),
        pytest.param(pause(request_id="", reason="", target="a b"), ["reason", "request_id", "target"], id="several"),
        pytest.param(
            gate_pb2.CancelIntentsRequest(request_id="r", intent_ids=[GOOD_ID, "x", "y"]),
            ["intent_ids[1]", "intent_ids[2]"],
            id="items",
        ),
        pytest.param(gate_pb2.GetIntentRequest(), ["id"], id="oneof"),
        pytest.param(
            policy_pb2.UpdatePolicyRequest(
                request_id="r", policy=policy_pb2.Policy(pace=policy_pb2.Pace(gap=Duration(seconds=-1)))
            ),
            ["policy.pace.gap"],
            id="nested",
        ),
        pytest.param(pause(paused_until=Timestamp(seconds=10**15)), ["paused_until"], id="impossible time"),
        pytest.param(pause(paused_until=Timestamp(seconds=1, nanos=-1)), ["paused_until"], id="negative nanos"),
        pytest.param(pause(paused_until=Timestamp(seconds=1, nanos=2_000_000_000)), ["paused_until"], id="nanos over"),
        pytest.param(
            policy_pb2.UpdatePolicyRequest(
                request_id="r",
                policy=policy_pb2.Policy(cooldown_steps=[Duration(seconds=60), Duration(seconds=10**15)]),
            ),
            ["policy.cooldown_steps[1]"],
            id="impossible time in an item",
        ),
        pytest.param(instance_pb2.UpdateInstanceRequest(request_id="r"), ["instance", "update_mask"], id="missing"),
        pytest.param(pause(reason="a\0b"), ["reason"], id="NUL"),
        pytest.param(
            policy_pb2.AddSuppressionsRequest(request_id="r", recipients=["+5511987654321", "1\0"]),
            ["recipients[1]"],
            id="NUL in an item",
        ),
        pytest.param(
            instance_pb2.CreateInstanceRequest(
                request_id="r", instance=instance_pb2.Instance(instance_id="i", display_name="\0")
            ),
            ["instance.display_name"],
            id="NUL in a part",
        ),
    ],
)
def test_each_bad_field_is_named(message: Message, fields: list[str]) -> None:
    assert sorted({violation.field for violation in RULES.violations(message)}) == fields


def test_a_bad_request_is_a_failure_with_every_field() -> None:
    with pytest.raises(Failure) as raised:
        RULES.check(pause(request_id="", scope=0))
    assert raised.value.kind is Kind.INVALID_ARGUMENT
    assert {(v.field, v.description) for v in raised.value.violations} == {
        ("request_id", "must be at least 1 characters"),
        ("scope", "must be given"),
    }


def test_items_that_the_contract_leaves_to_the_handler_do_not_fail_the_call() -> None:
    bad = intent_pb2.NewIntent(expire_time=Timestamp(seconds=10**15))
    RULES.check(gate_pb2.SubmitIntentsRequest(intents=[bad]))
    paths = [violation.field for violation in RULES.violations(bad, prefix="intents[3]")]
    assert "intents[3].expire_time" in paths
    assert "intents[3].request_id" in paths


@pytest.mark.parametrize("count", [0, 1001])
def test_the_batch_itself_has_limits(count: int) -> None:
    request = gate_pb2.SubmitIntentsRequest(intents=[intent_pb2.NewIntent()] * count)
    assert [violation.field for violation in RULES.violations(request)] == ["intents"]


def test_every_time_that_a_handler_sees_can_be_read() -> None:
    for seconds in (-62_135_596_800, 253_402_300_799):
        request = pause(paused_until=Timestamp(seconds=seconds))
        assert RULES.violations(request) == ()
        assert isinstance(request.paused_until.ToDatetime(UTC), datetime)


def test_the_rules_of_every_request_compile() -> None:
    Rules().compile(control_pb2.DESCRIPTOR.services_by_name.values())
