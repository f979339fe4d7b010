"""Sends over real HTTP: what the caller sees, and what the ledger says became of the message."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest

PATH = "/v23.0/100000000000001/messages"
ATTEMPT = "0190f000-0000-7000-8000-000000000001.1"


def text(attempt_id: str | None = ATTEMPT, **changes: Any) -> dict[str, Any]:
    message = {"messaging_product": "whatsapp", "to": "+5511999990001", "type": "text", "text": {"body": "Oi"}}
    return message | ({"biz_opaque_callback_data": attempt_id} if attempt_id else {}) | changes


async def script(client: httpx.AsyncClient, *fates: dict[str, Any]) -> None:
    (await client.post("/_simulator/fates", json=fates)).raise_for_status()


async def lines(client: httpx.AsyncClient, name: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in (await client.get(f"/_simulator/{name}")).text.splitlines()]


async def test_an_accepted_message_is_answered_recorded_and_told_of(start: Any, receiver: Any) -> None:
    client = await start()
    before = time.time()
    answer = await client.post(PATH, json=text())
    assert answer.status_code == 200
    body = answer.json()
    assert body["contacts"] == [{"input": "+5511999990001", "wa_id": "5511999990001"}]
    wamid = body["messages"][0]["id"]
    assert body["messages"] == [{"id": wamid, "message_status": "accepted"}]
    assert wamid.startswith("wamid.")
    (accepted,) = await lines(client, "accepted")
    assert (accepted["attempt_id"], accepted["wamid"]) == (ATTEMPT, wamid)
    assert accepted["phone_number_id"] == "100000000000001"
    assert before <= accepted["arrived_at"] <= accepted["accepted_at"] <= time.time()
    await receiver.until(lambda: len(receiver.statuses()) == 3)
    assert {told["status"] for told in receiver.statuses()} == {"sent", "delivered", "read"}
    for told in receiver.statuses():
        assert (told["id"], told["biz_opaque_callback_data"]) == (wamid, ATTEMPT)
        assert told["recipient_id"] == "5511999990001"


@pytest.mark.parametrize("abrupt", [True, False], ids=["reset", "closed"])
async def test_a_lost_answer_is_accepted_exactly_once_and_told_of(start: Any, receiver: Any, abrupt: bool) -> None:
    client = await start()
    await script(client, {"answer": "lost_answer", "abrupt": abrupt})
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await client.post(PATH, json=text())
    assert [entry["attempt_id"] for entry in await lines(client, "accepted")] == [ATTEMPT]
    await receiver.until(lambda: len(receiver.statuses()) == 3)
    assert {told["biz_opaque_callback_data"] for told in receiver.statuses()} == {ATTEMPT}


@pytest.mark.parametrize(
    ("fate", "http_status", "code"),
    [
        ({"code": 131000}, 500, 131000),
        ({"code": 2}, 503, 2),
        ({"code": 131048}, 400, 131048),
        ({"code": 131056}, 400, 131056),
        ({"code": 132001}, 404, 132001),
        ({"code": 130429, "http_status": 429, "headers": {"Retry-After": "7"}}, 429, 130429),
        ({"http_status": 503, "headers": {"Retry-After": "7"}}, 503, None),
        ({"http_status": 500}, 500, None),
    ],
)
async def test_refused_messages_are_never_among_the_accepted(
    start: Any, receiver: Any, fate: dict[str, Any], http_status: int, code: int | None
) -> None:
    client = await start()
    await script(client, {"answer": "refused", **fate})
    answer = await client.post(PATH, json=text())
    assert answer.status_code == http_status
    assert answer.headers.get("Retry-After") == fate.get("headers", {}).get("Retry-After")
    if code is None:
        with pytest.raises(ValueError, match=r".+"):
            answer.json()
    else:
        assert answer.json()["error"]["code"] == code
    assert await lines(client, "accepted") == []
    (arrival,) = await lines(client, "arrivals")
    assert (arrival["outcome"], arrival["code"], arrival["attempt_id"]) == ("refused", code, ATTEMPT)
    assert (await client.get("/_simulator/stats")).json()["webhooks"]["pending"] == 0


async def test_a_reset_before_acceptance_accepts_nothing(start: Any, receiver: Any) -> None:
    client = await start()
    await script(client, {"answer": "reset_before_acceptance"})
    with pytest.raises(httpx.ReadError):
        await client.post(PATH, json=text())
    assert await lines(client, "accepted") == []
    assert [entry["outcome"] for entry in await lines(client, "arrivals")] == ["reset_before_acceptance"]


@pytest.mark.parametrize(("when", "accepted"), [("before", 0), ("after", 1)])
async def test_a_hang_outlasts_the_callers_patience(start: Any, receiver: Any, when: str, accepted: int) -> None:
    client = await start()
    await script(client, {"answer": f"hang_{when}_acceptance", "hang": 600})
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=text(), timeout=0.3)
    assert len(await lines(client, "accepted")) == accepted


async def test_garbage_is_accepted_and_cannot_be_read(start: Any, receiver: Any) -> None:
    client = await start()
    await script(client, {"answer": "garbage"})
    answer = await client.post(PATH, json=text())
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r".+"):
        orjson.loads(answer.content)
    assert len(await lines(client, "accepted")) == 1


async def test_runs_replay_with_the_same_seed(start: Any) -> None:
    async def run(seed: int) -> list[tuple[str, int | None]]:
        client = await start(seed=seed, profile="rough", webhook_url=None)
        await asyncio.gather(
            *(client.post(PATH, json=text(f"intent-{n}.1"), timeout=4) for n in range(60)), return_exceptions=True
        )
        arrivals = {entry["attempt_id"]: entry for entry in await lines(client, "arrivals")}
        return [(arrivals[f"intent-{n}.1"]["outcome"], arrivals[f"intent-{n}.1"]["code"]) for n in range(60)]

    first, again, other = await asyncio.gather(run(5), run(5), run(6))
    assert first == again != other


async def test_doubled_sends_are_counted(start: Any) -> None:
    client = await start()
    for attempt in ("a.1", "a.1", "b.1", "b.2", "c.1"):
        assert (await client.post(PATH, json=text(attempt))).status_code == 200
    stats = (await client.get("/_simulator/stats")).json()
    assert (stats["accepted"], stats["intents_accepted"]) == (5, 3)
    assert (stats["attempts_accepted_twice"], stats["intents_accepted_twice"]) == (1, 2)
    assert len((await client.get("/_simulator/accepted?after=3")).text.splitlines()) == 2
    assert (await client.post("/_simulator/reset")).status_code == 204
    assert await lines(client, "accepted") == await lines(client, "arrivals") == []
