"""A small disk of one's own: a tmpfs in a mount namespace that only this process and its children
see, made by root or, in a user namespace, by anybody. Linux only."""

import ctypes
import os
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUSER = 0x0002_0000, 0x1000_0000
MS_REC, MS_PRIVATE = 0x4000, 0x4_0000
CHUNK = 64 * 1024


def mount_small_disk(folder: Path, megabytes: int) -> None:
    """Mount one at `folder`. Call it while the process has one thread. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        _check(libc.unshare(CLONE_NEWNS), "unshare")
    else:
        _check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "making mounts private")
    options = f"size={megabytes}m,mode=755".encode()
    _check(libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options), "mounting a tmpfs")


def fill(folder: Path) -> Path:
    """Write a file until the disk is full; remove it to have space again."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (CHUNK, 512):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return filler


def _check(code: int, what: str) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
