"""A public caller needs a good token and a role, a peer a certificate and a grant, each at its own listener only."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.serving import RunningServer, identities, mint, settings_of

from chassis.clients import internal_channel, public_channel
from chassis.identity import Caller, Peer, Role, current_caller, current_identity, current_peer
from chassis.settings import ServiceSettings
from console import pki
from kernel.errors import Failure, Kind
from whatlead.control.v1 import control_pb2, control_pb2_grpc

STATE = control_pb2.GetEffectiveStateRequest()
CHECK = control_pb2.CheckExecutionsRequest(scopes=[control_pb2.ExecutionScope(organization_id="o", instance_id="i")])


def stub(channel: grpc.aio.Channel) -> Any:
    return control_pb2_grpc.ControlServiceStub(channel)


async def test_a_caller_is_who_its_token_says(server: RunningServer, script: Any) -> None:
    seen = []

    async def answer(_: Any) -> control_pb2.GetEffectiveStateResponse:
        seen.append(current_caller())
        with pytest.raises(Failure):
            current_peer()
        return control_pb2.GetEffectiveStateResponse()

    script.unary = answer
    await stub(server.public_channel(role="member", organization_id="acme", subject="crm")).GetEffectiveState(STATE)
    assert seen == [Caller(subject="crm", organization_id="acme", role=Role.MEMBER)]


async def test_a_peer_is_who_its_certificate_says(server: RunningServer, script: Any) -> None:
    seen = []

    async def answer(_: Any) -> control_pb2.CheckExecutionsResponse:
        seen.append(current_identity())
        with pytest.raises(Failure):
            current_caller()
        return control_pb2.CheckExecutionsResponse()

    script.unary = answer
    await stub(server.internal_channel(service="executor")).CheckExecutions(CHECK)
    assert seen == [Peer(service="executor")]


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="none"),
        pytest.param("abc.def.ghi", id="garbage"),
        pytest.param(lambda: mint(ttl=timedelta(minutes=-5)), id="expired"),
    ],
)
async def test_without_a_good_token_nobody_gets_in(server: RunningServer, script: Any, token: Any) -> None:
    channel = public_channel(
        f"localhost:{server.ports.public}", identities() / "ca.pem", token() if callable(token) else token
    )
    async with channel:
        with pytest.raises(Failure) as raised:
            await stub(channel).GetEffectiveState(STATE)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert script.seen == []


async def test_a_foreign_installations_token_is_refused(server: RunningServer, tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    foreign = pki.mint_token(tmp_path, subject="crm", organization_id="acme", role="owner")
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel(token=foreign)).GetEffectiveState(STATE)
    assert raised.value.kind is Kind.UNAUTHENTICATED


@pytest.mark.parametrize("role", ["member", "platform"])
async def test_a_role_without_a_grant_is_refused(server: RunningServer, script: Any, role: str) -> None:
    resume = control_pb2.ResumeRequest(request_id="r", control_id="not-even-valid")
    if role == "platform":
        calls = stub(server.public_channel(role=role)).CheckExecutions(CHECK)
    else:
        calls = stub(server.public_channel(role=role)).Resume(resume)
    with pytest.raises(Failure) as raised:
        await calls
    # Before validation: who may not call learns nothing of the rules.
    assert (raised.value.kind, raised.value.reason) == (Kind.PERMISSION_DENIED, "ROLE_NOT_ALLOWED")
    assert script.seen == []


async def test_an_owner_may_not_make_internal_calls(server: RunningServer, script: Any) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel(role="owner")).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.PERMISSION_DENIED
    assert script.seen == []


@pytest.mark.parametrize("service", ["audit", "stranger"])
async def test_a_service_without_a_grant_is_refused(server: RunningServer, script: Any, service: str) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.internal_channel(service=service)).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.PERMISSION_DENIED
    assert script.seen == []


async def test_a_peer_may_not_make_callers_calls(server: RunningServer, script: Any) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.internal_channel(service="executor")).GetEffectiveState(STATE)
    assert raised.value.kind is Kind.PERMISSION_DENIED
    assert script.seen == []


async def test_an_owners_token_counts_for_nothing_at_the_internal_listener(server: RunningServer, script: Any) -> None:
    channel = server.internal_channel(service="stranger")
    with pytest.raises(Failure) as raised:
        await stub(channel).GetEffectiveState(STATE, metadata=(("authorization", f"Bearer {mint(role='owner')}"),))
    assert raised.value.kind is Kind.PERMISSION_DENIED
    assert script.seen == []


async def test_a_certificate_counts_for_nothing_at_the_public_listener(server: RunningServer, script: Any) -> None:
    async with internal_channel(
        f"localhost:{server.ports.public}", settings_of("executor", ServiceSettings)
    ) as channel:
        with pytest.raises(Failure) as raised:
            await stub(channel).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.UNAUTHENTICATED
    assert script.seen == []


async def test_the_internal_listener_refuses_who_has_no_certificate(server: RunningServer, script: Any) -> None:
    async with public_channel(f"localhost:{server.ports.internal}", identities() / "ca.pem", mint()) as channel:
        with pytest.raises(Failure) as raised:
            await stub(channel).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.UNAVAILABLE
    assert script.seen == []


async def test_another_authoritys_certificate_is_refused(server: RunningServer, script: Any, tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    foreign = settings_of(
        "executor",
        ServiceSettings,
        tls_cert_file=tmp_path / "executor.pem",
        tls_key_file=tmp_path / "executor.key",
        tls_ca_file=identities() / "ca.pem",
    )
    async with internal_channel(f"localhost:{server.ports.internal}", foreign) as channel:
        with pytest.raises(Failure) as raised:
            await stub(channel).CheckExecutions(CHECK)
    assert raised.value.kind is Kind.UNAVAILABLE
    assert script.seen == []


async def test_a_server_of_another_authority_is_not_talked_to(server: RunningServer, tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    async with public_channel(f"localhost:{server.ports.public}", tmp_path / "ca.pem", mint()) as channel:
        with pytest.raises(Failure) as raised:
            await stub(channel).GetEffectiveState(STATE)
    assert raised.value.kind is Kind.UNAVAILABLE


async def test_two_tokens_are_one_too_many(server: RunningServer) -> None:
    with pytest.raises(Failure) as raised:
        await stub(server.public_channel()).GetEffectiveState(STATE, metadata=(("authorization", f"Bearer {mint()}"),))
    assert raised.value.kind is Kind.UNAUTHENTICATED
