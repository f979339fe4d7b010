"""Status webhooks: signed over the raw bytes, tried again until they are taken, and the handshake before them."""

import asyncio
import hashlib
import hmac
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest


def path(number: int = 1) -> str:
    return f"/v23.0/10000000000000{number}/messages"


def text(attempt_id: str) -> dict[str, Any]:
    message = {"messaging_product": "whatsapp", "to": "+5511999990001", "type": "text", "text": {"body": "Olá"}}
    return message | {"biz_opaque_callback_data": attempt_id}


async def test_the_signature_verifies_over_the_raw_body(start: Any, receiver: Any) -> None:
    client = await start()
    await client.post(path(), json=text("çã.1"))
    await receiver.until(lambda: len(receiver.statuses()) == 3)
    for raw, signature in receiver.posts:
        assert signature == "sha256=" + hmac.new(b"secret", raw, hashlib.sha256).hexdigest()


async def test_a_failed_status_carries_its_error(start: Any, receiver: Any) -> None:
    client = await start()
    await client.post("/_simulator/fates", json=[{"statuses": [{"status": "failed", "code": 131026}]}])
    assert (await client.post(path(), json=text("a.1"))).status_code == 200
    await receiver.until(lambda: len(receiver.statuses()) == 1)
    (told,) = receiver.statuses()
    assert told["status"] == "failed"
    assert [error["code"] for error in told["errors"]] == [131026]


async def test_posts_are_repeated_unchanged_until_the_receiver_answers_200(start: Any, receiver: Any) -> None:
    client = await start()
    receiver.http_status = 500
    await client.post("/_simulator/fates", json=[{"statuses": [{"status": "sent"}]}])
    await client.post(path(), json=text("a.1"))
    await receiver.until(lambda: len(receiver.posts) == 2)
    receiver.http_status = 200
    await receiver.until(lambda: len(receiver.posts) == 3)
    assert len(set(receiver.posts)) == 1
    stats = (await client.get("/_simulator/stats")).json()["webhooks"]
    assert stats["retries"] == 2


async def test_nothing_is_lost_while_the_receiver_is_down(
    start: Any, receiver: Any, stack: AsyncExitStack, eventually: Any
) -> None:
    client = await start()
    await receiver.runner.cleanup()
    answers = await asyncio.gather(*(client.post(path(n % 3), json=text(f"i{n}.1")) for n in range(60)))
    assert {answer.status_code for answer in answers} == {200}

    async def tried_twice() -> bool:
        return (await client.get("/_simulator/stats")).json()["webhooks"]["retries"] >= 2

    await eventually(tried_twice)
    assert receiver.posts == []
    await receiver.listen(stack)
    await receiver.until(lambda: len(receiver.statuses()) == 180)
    assert set(Counter(told["biz_opaque_callback_data"] for told in receiver.statuses()).values()) == {3}
    assert len(receiver.posts) < 60


async def test_duplicates_come_as_often_as_planned(start: Any, receiver: Any, tmp_path: Path) -> None:
    profile = tmp_path / "twice.json"
    profile.write_bytes(orjson.dumps({"latency": {"low": 0, "high": 0}, "duplicate_share": 1}))
    client = await start(profile=str(profile))
    await client.post(path(), json=text("a.1"))
    await receiver.until(lambda: len(receiver.statuses()) == 6)
    assert set(Counter(told["status"] for told in receiver.statuses()).values()) == {2}


@pytest.mark.parametrize(("token", "verified", "http_status"), [("verify", True, 200), ("wrong", False, 403)])
async def test_get_verification(start: Any, token: str, verified: bool, http_status: int) -> None:
    client = await start(verify_token=token)
    answer = await client.post("/_simulator/verify")
    assert answer.json() == {"verified": verified, "http_status": http_status}


async def test_get_verification_of_a_receiver_that_is_away(start: Any, receiver: Any) -> None:
    client = await start()
    await receiver.runner.cleanup()
    assert (await client.post("/_simulator/verify")).json() == {"verified": False, "http_status": None}
