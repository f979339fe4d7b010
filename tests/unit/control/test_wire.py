"""Domain words and the contract's enums cover each other."""

from enum import StrEnum
from typing import Any

import pytest

from control.domain.pause import Scope, Source, State
from control.domain.resumption import ResumptionState
from control.wire import SCOPES, SOURCES, STATES
from control.wire_resuming import RESUMPTION_STATES
from whatlead.control.v1 import control_pb2


@pytest.mark.parametrize(
    ("mapped", "contract", "domain"),
    [
        (SCOPES, control_pb2.Scope, Scope),
        (SOURCES, control_pb2.Source, Source),
        (STATES, control_pb2.ControlState, State),
        (RESUMPTION_STATES, control_pb2.ResumptionState, ResumptionState),
    ],
    ids=["scope", "source", "state", "resumption"],
)
def test_each_word_has_its_own_on_the_other_side(mapped: dict[int, StrEnum], contract: Any, domain: Any) -> None:
    assert set(mapped) == set(contract.values()) - {0}
    assert sorted(mapped.values()) == sorted(domain)
    for number, word in mapped.items():
        assert contract.Name(number).endswith(f"_{word.value}")
