"""Which port each process listens on, from one base. Knows nothing of what listens there."""

import socket
from dataclasses import dataclass

SERVICES = ("gate", "executor", "control", "audit")
DEFAULT_BASE = 7000
_SIMULATOR = 300
_SECOND = 10


class PortsTaken(Exception):
    """Tell which ports are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports relative to `base`: gate +1, executor +2, control +3, audit +4; internal ones +100, HTTP +200 more.

    The nth replica beside the first is 10·n further up; the simulator is at +300.
    """

    base: int

    def public(self, service: str, replica: int = 1) -> int:
        return self.base + SERVICES.index(service) + 1 + _SECOND * (replica - 1)

    def internal(self, service: str, replica: int = 1) -> int:
        return self.public(service, replica) + 100

    def http(self, service: str, replica: int = 1) -> int:
        return self.public(service, replica) + 200

    @property
    def simulator(self) -> int:
        return self.base + _SIMULATOR

    def all(self, executors: int, controls: int = 1) -> list[int]:
        """Return every port that a system with so many executors and replicas of control listens on."""
        listeners = (self.public, self.internal, self.http)
        listening = replicas(executors, controls)
        return [self.simulator, *(listener(*replica) for replica in listening for listener in listeners)]


def replicas(executors: int, controls: int = 1) -> list[tuple[str, int]]:
    """Return the processes of a system: each service and the number of its replica."""
    more = [("executor", number) for number in range(2, executors + 1)]
    more += [("control", number) for number in range(2, controls + 1)]
    return [(service, 1) for service in SERVICES] + more


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def demand_free(ports: Ports, executors: int) -> Ports:
    """Return `ports`, or raise PortsTaken with those in use."""
    taken = [port for port in ports.all(executors) if not _is_free(port)]
    if taken:
        raise PortsTaken(
            f"port {', '.join(map(str, taken))} in use: stop what listens there, or choose others with --port-base"
        )
    return ports


def find_free(executors: int, *, controls: int = 1, lowest: int = DEFAULT_BASE) -> Ports:
    """Return the ports from `lowest` on, or the next ones above them that are all free."""
    for base in range(lowest, 30000, 1000):
        ports = Ports(base=base)
        if all(map(_is_free, ports.all(executors, controls))):
            return ports
    raise PortsTaken(f"no free ports between {lowest} and 30000")
