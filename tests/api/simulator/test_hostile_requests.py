"""Requests nobody should send: a readable error, a record, nothing accepted, and the next caller is served."""

import asyncio
import time
from typing import Any

import httpx
import orjson
import pytest

PATH = "/v23.0/100000000000001/messages"
GOOD = b'{"messaging_product":"whatsapp","to":"+5511999990001","type":"text","text":{"body":"Oi"}}'


async def outcomes(client: httpx.AsyncClient) -> list[str]:
    return [orjson.loads(line)["outcome"] for line in (await client.get("/_simulator/arrivals")).text.splitlines()]


async def assert_serves_on(client: httpx.AsyncClient) -> None:
    before = (await client.get("/_simulator/stats")).json()["accepted"]
    assert before == 0
    assert (await client.post(PATH, content=GOOD)).status_code == 200


def head(length: int) -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nContent-Length: {length}\r\n\r\n".encode()
    )


async def connect(client: httpx.AsyncClient) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(client.base_url.host, client.base_url.port)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"", 100, id="empty"),
        pytest.param(b"\x00" * 1000, 100, id="zeros"),
        pytest.param(b"[" * 200_000, 100, id="deep nesting"),
        pytest.param(GOOD[:-1], 100, id="cut JSON"),
        pytest.param(GOOD.replace(b"Oi", b"\xff"), 100, id="not UTF-8"),
        pytest.param(GOOD.replace(b'"Oi"', b'"\\ud800"'), 100, id="half a surrogate pair"),
        pytest.param(GOOD.replace(b"{", b'{"type":[[]],', 1).replace(b'"type":"text",', b""), 100, id="type an array"),
        pytest.param(GOOD.replace(b"+5511999990001", b"1 OR 1=1"), 131009, id="recipient not a number"),
    ],
)
async def test_hostile_json_is_refused(start: Any, content: bytes, code: int) -> None:
    client = await start()
    answer = await client.post(PATH, content=content)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert await outcomes(client) == ["invalid"]
    await assert_serves_on(client)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [(None, 0), ("Bearer wrong", 190), ("Basic token", 190), ("Bearer", 190), ("Bearer tokén", 190)],
)
async def test_a_wrong_token_is_401(start: Any, authorization: str | None, code: int) -> None:
    client = await start()
    headers = {"Authorization": authorization.encode()} if authorization else {}
    async with httpx.AsyncClient(base_url=client.base_url) as stranger:
        answer = await stranger.post(PATH, content=GOOD, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert await outcomes(client) == ["unauthorized"]
    await assert_serves_on(client)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", PATH, 100),
        ("POST", "/v23.0/not-a-number/messages", 100),
        ("POST", "/v23.0/1/2/messages", 2500),
        ("POST", "/", 2500),
        ("POST", "/messages", 2500),
    ],
)
async def test_other_paths_answer_as_the_graph_api(start: Any, method: str, path: str, code: int) -> None:
    client = await start()
    answer = await client.request(method, path, content=GOOD)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


async def test_a_body_beyond_the_limit_is_413(start: Any) -> None:
    client = await start()
    answer = await client.post(PATH, content=b" " * (2 * 1024 * 1024))
    assert answer.status_code == 413
    assert await outcomes(client) == ["too_large"]
    await assert_serves_on(client)


async def test_a_body_cut_off_is_not_accepted(start: Any, eventually: Any) -> None:
    client = await start()
    _, writer = await connect(client)
    writer.write(head(len(GOOD)) + GOOD[:20])
    await writer.drain()
    writer.close()

    async def recorded() -> bool:
        return await outcomes(client) == ["cut_off"]

    await eventually(recorded)
    await assert_serves_on(client)


@pytest.mark.parametrize("call", [b"\x16\x03\x01\x00\xa5\x01", b"POST\r\n\r\n", head(5).replace(b": 5", b": -5")])
async def test_what_is_not_http_is_turned_away(start: Any, call: bytes) -> None:
    client = await start()
    reader, writer = await connect(client)
    writer.write(call + b"\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    await assert_serves_on(client)


@pytest.mark.parametrize(
    ("method", "path", "content", "http_status"),
    [
        ("POST", "fates", b"[", 400),
        ("POST", "fates", b'[{"answer":"perhaps"}]', 400),
        ("GET", "accepted?after=-1", b"", 400),
        ("GET", "accepted?after=" + "9" * 50, b"", 400),
        ("POST", "accepted", b"", 404),
        ("GET", "everything", b"", 404),
    ],
)
async def test_bad_calls_of_the_simulators_own(
    start: Any, method: str, path: str, content: bytes, http_status: int
) -> None:
    client = await start()
    answer = await client.request(method, f"/_simulator/{path}", content=content)
    assert answer.status_code == http_status
    assert answer.json()["error"]


async def test_arrival_is_the_first_byte_of_each_request_on_one_connection(start: Any) -> None:
    client = await start()
    reader, writer = await connect(client)
    begun: list[float] = []
    body_begun: list[float] = []
    for _ in range(3):
        begun.append(time.time())
        writer.write(head(len(GOOD)))
        await writer.drain()
        await asyncio.sleep(0.1)  # the body is late: that is the case under test
        body_begun.append(time.time())
        writer.write(GOOD)
        await writer.drain()
        await reader.readuntil(b'"accepted"}]}')
    writer.close()
    lines = (await client.get("/_simulator/accepted")).text.splitlines()
    arrived = [orjson.loads(line)["arrived_at"] for line in lines]
    assert all(first <= at < body for first, at, body in zip(begun, arrived, body_begun, strict=True))
