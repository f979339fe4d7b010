"""A service is who its certificate says, in one way only."""

import pytest

from chassis.authentication import peer_of
from kernel.errors import Failure, Kind


def context(*names: str, common: str | None = None) -> dict[str, list[bytes]]:
    found = {"x509_subject_alternative_name": [name.encode() for name in names]}
    return found if common is None else found | {"x509_common_name": [common.encode()]}


@pytest.mark.parametrize(
    "given",
    [
        context("spiffe://whatlead/gate", "localhost", "127.0.0.1", common="something else"),
        context("localhost", common="gate"),
    ],
    ids=["spiffe id", "common name"],
)
def test_a_certificate_names_a_service(given: dict[str, list[bytes]]) -> None:
    assert peer_of(given).service == "gate"


@pytest.mark.parametrize(
    "given",
    [
        {},
        context("localhost"),
        context("spiffe://elsewhere/gate", common="gate"),
        context("spiffe://whatlead/gate", "spiffe://whatlead/executor"),
        context("spiffe://whatlead/gate/extra"),
        context("spiffe://whatlead/"),
        context(common="Gate Service"),
    ],
    ids=["nothing", "no name", "foreign installation", "two ids", "longer path", "empty path", "no service name"],
)
def test_a_certificate_that_names_none_is_refused(given: dict[str, list[bytes]]) -> None:
    with pytest.raises(Failure) as raised:
        peer_of(given)
    assert raised.value.kind is Kind.UNAUTHENTICATED
