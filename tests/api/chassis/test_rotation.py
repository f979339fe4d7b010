"""A new certificate is used for the next connection, without a restart; a broken one is not."""

import asyncio
import shutil
import ssl
from pathlib import Path

from cryptography import x509
from tests.api.chassis.conftest import Script, registration
from tests.serving import RunningServer, identities, running, settings_of

from chassis.settings import ServiceSettings
from console import pki


async def serial_number(server: RunningServer) -> int:
    address = ("127.0.0.1", server.ports.public)
    pem = await asyncio.to_thread(ssl.get_server_certificate, address)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def test_a_new_certificate_is_used_and_a_broken_one_is_not(tmp_path: Path, script: Script) -> None:
    folder = tmp_path / "pki"
    shutil.copytree(identities(), folder)
    settings = settings_of(
        "control", ServiceSettings, tls_cert_file=folder / "control.pem", tls_key_file=folder / "control.key"
    )
    async with running([registration(script)], service="control", settings=settings) as server:
        first = await serial_number(server)
        pki.issue(folder, "control")
        second = await serial_number(server)
        assert second != first
        (folder / "control.pem").write_text("broken")
        assert await serial_number(server) == second
