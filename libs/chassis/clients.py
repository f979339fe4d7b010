"""Channels to other services: verified, kept alive, balanced, with retries where they are safe. Knows no method.

Calls on these channels raise kernel Failures.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import grpc

from chassis.interceptors.client import client_interceptors
from chassis.settings import ServiceSettings

_BALANCED: dict[str, object] = {"loadBalancingConfig": [{"round_robin": {}}]}
_RETRIED = _BALANCED | {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}
MAX_RECEIVE_BYTES = 16 * 1024 * 1024
_OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.absolute_max_metadata_size", 64 * 1024),
    # A service that comes back is found within a second, not within grpc's two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def internal_channel(target: str, settings: ServiceSettings, *, retries: bool = True) -> grpc.aio.Channel:
    """Open a channel to another service's internal listener, as the service of `settings`. Close it at the end.

    Without `retries` a call fails at once where nobody listens: for those who have another address to turn to.
    """
    credentials = grpc.ssl_channel_credentials(
        root_certificates=settings.tls_ca_file.read_bytes(),
        private_key=settings.tls_key_file.read_bytes(),
        certificate_chain=settings.tls_cert_file.read_bytes(),
    )
    options = (*_OPTIONS, _config(_RETRIED if retries else _BALANCED))
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=client_interceptors())


def public_channel(target: str, ca_file: Path | None, token: str | Callable[[], str]) -> grpc.aio.Channel:
    """Open a channel to a public listener with a caller's token (or what gives one). Close it at the end.

    Without `ca_file` the server must be vouched for by an authority that the system knows.
    """
    credentials = grpc.ssl_channel_credentials(root_certificates=ca_file.read_bytes() if ca_file else None)
    options = (*_OPTIONS, _config(_RETRIED))
    return grpc.aio.secure_channel(target, credentials, options=options, interceptors=client_interceptors(token))


def _config(config: Mapping[str, object]) -> tuple[str, str]:
    return "grpc.service_config", json.dumps(config)
