"""A watched answer is redrawn in place until Ctrl-C, which leaves the terminal as it was; in a pipe each is a line."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

LOOK = """
import asyncio, itertools
from contextlib import suppress
from console import watching
from console.output import table
from kernel.errors import Failure, Kind
watching._SECONDS = 0.05
numbers = itertools.count(1)
async def look():
    number = next(numbers)
    if number == 3:
        raise Failure(Kind.UNAVAILABLE, "UNAVAILABLE", "audit is away")
    return {"number": number}, [table("", ("number",), [(f"number-{number}",)])]
with suppress(KeyboardInterrupt):
    asyncio.run(watching.watch(look, as_json=False))
print("the end")
"""
ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


def read_until(descriptor: int, wanted: bytes, seen: bytes = b"", *, seconds: float = 30) -> bytes:
    deadline = time.monotonic() + seconds
    while wanted not in seen:
        assert time.monotonic() < deadline, seen
        try:
            seen += os.read(descriptor, 65_536)
        except OSError:  # the other end of a terminal is closed
            break
    return seen


def watched(terminal: str) -> bytes:
    """Return what a terminal of that kind is sent until Ctrl-C is pressed and the command has ended well."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": terminal}
    process = subprocess.Popen(
        [sys.executable, "-c", LOOK], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    try:
        seen = read_until(ours, b"number-5")
        process.send_signal(signal.SIGINT)
        seen = read_until(ours, b"the end", seen)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        os.close(ours)
    return seen


def test_on_a_terminal_it_is_redrawn_in_place_and_ctrl_c_leaves_the_terminal_as_it_was() -> None:
    seen = watched("xterm")
    assert seen.count(ENTER) == seen.count(LEAVE) == 1
    assert b"audit is away" in seen
    assert b"Traceback" not in seen


def test_on_a_terminal_that_cannot_move_its_cursor_each_picture_stands_below_the_one_before() -> None:
    seen = watched("dumb")
    assert b"\x1b" not in seen
    assert seen.index(b"number-1") < seen.index(b"audit is away") < seen.index(b"number-4")


def test_in_a_pipe_each_answer_is_a_line() -> None:
    process = subprocess.Popen([sys.executable, "-c", LOOK], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert [json.loads(process.stdout.readline()) for _ in range(2)] == [{"number": 1}, {"number": 2}]
    finally:
        process.kill()
        process.communicate()
