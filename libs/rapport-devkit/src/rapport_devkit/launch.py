"""The launcher of every child process: it becomes the program, which ends with its parent.

Run as a file in an interpreter of its own, never imported:
``python -I -S launch.py SIGNAL PARENT_PID USER PROGRAM [ARGUMENT ...]`` (USER may be empty).
It replaces `preexec_fn`, which can deadlock in a parent that has threads. A change of user clears
the death signal, so the order below matters. On other systems than Linux a child outlives a parent
that crashes.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(death_signal: int, parent_pid: int, user: str, program: list[str]) -> None:
    """Replace this process by `program`; end at once if the parent is gone already."""
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the parent ended before its child began")
    # argv as given, no shell
    os.execvp(program[0], program)  # noqa: S606  # nosec B606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
