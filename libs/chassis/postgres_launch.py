"""Become a PostgreSQL program that may run as this user and dies with its parent. A script of its own, run by path.

PostgreSQL refuses to run as root, so root becomes somebody else first. It is done here, after the fork, because a
process with threads (gRPC's) must not run Python between fork and exec. Imports nothing of the project.

usage: postgres_launch.py MODE PARENT_PID FOLDER PROGRAM [ARGUMENT...]
"""

import ctypes
import os
import signal
import sys

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534
UNUSABLE = 97


def enter_namespace() -> None:
    """Appear as nobody in a user namespace of our own, while files stay root's."""
    user, group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def become_nobody() -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def main(mode: str, parent: str, folder: str, program: str, *arguments: str) -> None:
    """Change identity as `mode` says (plain, namespace or nobody) and turn into `program`."""
    try:
        if mode == "namespace":
            enter_namespace()
        elif mode == "nobody":
            become_nobody()
        os.chdir(folder)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} is not writable")
    except OSError as error:
        sys.stderr.write(f"{mode}: {error}\n")
        sys.exit(UNUSABLE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != int(parent):
            sys.exit("the parent is gone")
    os.execv(program, [program, *arguments])  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
