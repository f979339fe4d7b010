"""The simulator as a process: says where it listens, keeps numbers out of its output, leaves with 0 on SIGTERM."""

import asyncio
import os
import sys
from typing import Any

import httpx
import orjson
import pytest

PATH = "/v23.0/100000000000001/messages"
RECIPIENT = "+5531988681276"
TEXT = {"messaging_product": "whatsapp", "to": RECIPIENT, "type": "text", "text": {"body": "Olá"}}


async def spawn(**settings: str) -> asyncio.subprocess.Process:
    environment = os.environ | {f"WHATLEAD_SIMULATOR_{name.upper()}": value for name, value in settings.items()}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_sigterm_flushes_webhooks_cuts_hangs_and_exits_0(receiver: Any, eventually: Any) -> None:
    process = await spawn(
        listen="127.0.0.1:0",
        profile="mild",
        access_token="token",
        app_secret="secret",
        webhook_url=f"http://127.0.0.1:{receiver.port}/",
    )
    try:
        async with asyncio.timeout(20):
            listening = orjson.loads(await process.stdout.readline())
            assert listening["event"] == "simulator.listening"
            url = f"http://127.0.0.1:{listening['port']}"
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": "Bearer token"}) as client:
                late = [{"status": "sent", "delay": 3600}]
                fates = [{"statuses": late}, {"answer": "hang_after_acceptance", "hang": 3600, "statuses": late}]
                await client.post("/_simulator/fates", json=fates)
                await client.post(PATH, json=TEXT | {"biz_opaque_callback_data": "a.1"})
                hanging = asyncio.create_task(client.post(PATH, json=TEXT | {"biz_opaque_callback_data": "b.1"}))

                async def both_accepted() -> bool:
                    return (await client.get("/_simulator/stats")).json()["accepted"] == 2

                await eventually(both_accepted)
                await client.post(PATH, content=b"{" + RECIPIENT.encode())
                process.terminate()
                assert (await hanging).status_code == 200
            assert await process.wait() == 0
            output = await process.stdout.read()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert {told["biz_opaque_callback_data"] for told in receiver.statuses()} == {"a.1", "b.1"}
    assert RECIPIENT.encode()[1:] not in output
    assert b"token" not in output


@pytest.mark.parametrize(
    ("settings", "code"), [({"seed": "x"}, 2), ({"listen": "192.0.2.1:1", "access_token": "t"}, 1)]
)
async def test_a_process_that_cannot_serve_says_so(settings: dict[str, str], code: int) -> None:
    process = await spawn(**settings)
    async with asyncio.timeout(20):
        output, _ = await process.communicate()
    assert process.returncode == code
    assert output
    assert b"Traceback" not in output
