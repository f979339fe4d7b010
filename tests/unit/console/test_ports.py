"""Ports: each listener has its own, and those in use are named."""

import socket

import pytest

from console.ports import Ports, PortsTaken, demand_free, find_free


def test_no_two_listeners_share_a_port() -> None:
    ports = Ports(base=7000).all(executors=4, controls=2)
    assert len(ports) == len(set(ports)) == 1 + 3 * 8


def test_the_documented_ports_are_the_ones_used() -> None:
    ports = Ports(base=7000)
    assert [ports.public(service) for service in ("gate", "executor", "control", "audit")] == [7001, 7002, 7003, 7004]
    assert (ports.internal("gate"), ports.http("executor"), ports.simulator) == (7101, 7202, 7300)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        ports = find_free(executors=1)
        taken.bind(("127.0.0.1", ports.public("control")))
        taken.listen()
        with pytest.raises(PortsTaken, match=f"port {ports.public('control')} in use: .*--port-base"):
            demand_free(ports, executors=1)
