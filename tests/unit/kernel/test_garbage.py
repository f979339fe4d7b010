"""What a process has imported is not looked at again by collections, and garbage in cycles still goes."""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from kernel.garbage import collect_seldom

class Cycle: ...

imported = Cycle()
collect_seldom()
assert not any(found is imported for found in gc.get_objects())
seen = []
for _ in range(20_000):
    cycle = Cycle()
    cycle.itself = cycle
    seen.append(weakref.ref(cycle))
assert not all(found() for found in seen)
"""


def test_imports_are_left_alone_and_cycles_go() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)  # in a process of its own: it holds for all of one
