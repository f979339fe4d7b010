"""Scripted fates: who they fit, how often, and what is refused."""

import pytest

from simulator.fate import Answer, StatusName
from simulator.script import Script, read_script


def written(content: bytes) -> Script:
    script = Script()
    script.add(read_script(content))
    return script


def take(
    script: Script, attempt_id: str = "i.1", recipient: str = "+5511999990001", number: str = "1"
) -> Answer | None:
    fate = script.take(attempt_id=attempt_id, recipient=recipient, phone_number_id=number)
    return fate.answer if fate else None


def test_fates_are_used_in_order_and_as_often_as_written() -> None:
    script = written(b'[{"answer":"refused","code":131048,"times":2},{"answer":"garbage"}]')
    assert [take(script) for _ in range(4)] == [Answer.REFUSED, Answer.REFUSED, Answer.GARBAGE, None]
    assert script.left() == 0


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        (b'"attempt_id":"i.1"', True),
        (b'"attempt_id":"i.2"', False),
        (b'"intent_id":"i"', True),
        (b'"intent_id":"i.1"', False),
        (b'"recipient_suffix":"0001"', True),
        (b'"recipient_suffix":"0002"', False),
        (b'"phone_number_id":"1"', True),
        (b'"phone_number_id":"2"', False),
        (b'"intent_id":"i","recipient_suffix":"0002"', False),
    ],
)
def test_a_fate_waits_for_the_send_that_meets_all_its_conditions(condition: bytes, fits: bool) -> None:
    script = written(b'[{"answer":"lost_answer",' + condition + b"}]")
    assert take(script) == (Answer.LOST_ANSWER if fits else None)
    assert script.left() == (0 if fits else 1)


def test_statuses_are_told_as_written() -> None:
    script = written(b'[{"statuses":[{"status":"failed","code":131026,"delay":0.5,"copies":2}]}]')
    fate = script.take(attempt_id=None, recipient="+55", phone_number_id="1")
    assert fate is not None
    assert [(told.status, told.delay, told.code) for told in fate.statuses] == [(StatusName.FAILED, 0.5, 131026)] * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"answer":"perhaps"}]',
        b'[{"answer":"refused"}]',
        b'[{"times":0}]',
        b'[{"anwser":"garbage"}]',
    ],
)
def test_a_script_that_cannot_be_meant_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_script(content)
