"""Child processes that end with their parent; each has its own log."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from rapport_devkit import launch

_POLL_SECONDS = 0.02
_RESTART_PAUSE_SECONDS = 0.2
_TAIL_BYTES = 2_000
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT, _USUAL_OUTGOING_PORT = 10_000, 32_768
_PORT_DRAWS = 100


class ProcessFailed(RuntimeError):
    """A child did not become ready; the message has the last lines of its log."""


class Stoppable(ABC):
    """A context manager that calls `stop` at the end."""

    @abstractmethod
    def stop(self) -> None:
        """End it. Does nothing when it has ended already."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listened on a moment ago.

    It is drawn from the ports that the kernel never gives to outgoing connections, so that a server
    finds it free, and free again after a restart; two callers hardly draw the same. It is not
    reserved. Raises ProcessFailed when 100 draws were all taken.
    """
    for _ in range(_PORT_DRAWS):
        port = _LOWEST_PORT + secrets.randbelow(_lowest_outgoing_port() - _LOWEST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise ProcessFailed(f"of {_PORT_DRAWS} ports none was free")


def _lowest_outgoing_port() -> int:
    """Where the kernel's range for outgoing connections begins, usually at 32768."""
    if not _OUTGOING_PORTS.is_file():
        return _USUAL_OUTGOING_PORT
    lowest = int(_OUTGOING_PORTS.read_text().split()[0])
    return lowest if lowest > 2 * _LOWEST_PORT else _USUAL_OUTGOING_PORT


def spawn(
    argv: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: str = "",
    death_signal: signal.Signals = signal.SIGKILL,
) -> subprocess.Popen[bytes]:
    """Start `argv` with its output appended to `log`; it gets `death_signal` when the parent dies.

    `env` is added to this process's environment. `user` needs root. Give each child a log of its
    own: two processes that write to one inherited descriptor overwrite each other's lines.
    Linux ties the death signal to the calling THREAD: call from a thread that lives as long as the
    child should.
    """
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(int(death_signal))]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*launcher, str(os.getpid()), user, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,  # Ctrl-C reaches only the parent, which stops its children
        )


def tail(log: Path) -> str:
    """The last lines of a log, at most 2,000 bytes; empty when there is none."""
    if not log.exists():
        return ""
    return log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()


def wait_until_ready(
    process: subprocess.Popen[bytes],
    log: Path,
    answers: Callable[[], bool],
    *,
    timeout_seconds: float,
) -> None:
    """Call `answers` every 20 ms until it is true.

    Raises ProcessFailed when the child ends first or the time is up.
    """
    deadline = time.monotonic() + timeout_seconds
    while not answers():
        if process.poll() is not None:
            raise ProcessFailed(
                f"ended with {process.returncode} before it was ready:\n{tail(log)}"
            )
        if time.monotonic() > deadline:
            raise ProcessFailed(f"not ready after {timeout_seconds:g} s:\n{tail(log)}")
        time.sleep(_POLL_SECONDS)


def end(process: subprocess.Popen[bytes], how: signal.Signals, *, timeout_seconds: float) -> int:
    """Send `how`, wake a frozen process and wait; SIGKILL after the time-out. The return code."""
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    try:
        return process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class Supervised:
    """A child process; with `restart_on_exit` it is restarted after each exit until `terminate`."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        restart_on_exit: bool = False,
    ) -> None:
        self.log = log
        self.restarts = 0
        self._argv = argv
        self._env = env
        self._stopped = threading.Event()
        self._swap = threading.Lock()
        self._process = spawn(argv, log, env=env)
        self._watcher: threading.Thread | None = None
        if restart_on_exit:
            self._watcher = threading.Thread(target=self._restart_after_exits, daemon=True)
            self._watcher.start()

    @property
    def pid(self) -> int:
        """The process id of the running child, or of the last one."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended (a frozen one has not)."""
        return self._process.poll() is None

    def wait(self, timeout_seconds: float) -> int:
        """The current child's return code. Raises subprocess.TimeoutExpired if it still runs."""
        return self._process.wait(timeout_seconds)

    def kill(self) -> None:
        """SIGKILL, and wait for the end; a child with `restart_on_exit` is restarted."""
        process = self._process
        process.kill()
        process.wait()

    def freeze(self) -> None:
        """SIGSTOP: the child keeps its sockets, locks and memory, and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: a frozen child goes on."""
        self._process.send_signal(signal.SIGCONT)

    def terminate(self, timeout_seconds: float = 10) -> int:
        """SIGTERM without restart, SIGKILL after the time-out; the return code (-9 = killed)."""
        with self._swap:
            self._stopped.set()
            process = self._process
        code = end(process, signal.SIGTERM, timeout_seconds=timeout_seconds)
        if self._watcher is not None:
            self._watcher.join()
        return code

    def _restart_after_exits(self) -> None:
        while True:
            self._process.wait()
            if self._stopped.wait(_RESTART_PAUSE_SECONDS):
                return
            with self._swap:
                if self._stopped.is_set():
                    return
                self._process = spawn(self._argv, self.log, env=self._env)
                self.restarts += 1


class Supervisor(Stoppable):
    """Starts named children, each with the log `<folder>/<name>.log`; stops all at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.children: dict[str, Supervised] = {}

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        restart_on_exit: bool = False,
    ) -> Supervised:
        """Start a child. Raises ValueError when one of that name runs; an ended one is replaced."""
        previous = self.children.pop(name, None)
        if previous is not None:
            if previous.running:
                self.children[name] = previous
                raise ValueError(f"{name} is running already")
            previous.terminate()
        child = Supervised(
            argv, self._folder / f"{name}.log", env=env, restart_on_exit=restart_on_exit
        )
        self.children[name] = child
        return child

    def stop_all(self, timeout_seconds: float = 10) -> dict[str, int]:
        """Terminate every child, the last started first; the return code of each by name."""
        codes = {}
        while self.children:
            name, child = self.children.popitem()
            codes[name] = child.terminate(timeout_seconds)
        return codes

    def stop(self) -> None:
        """`stop_all` with its usual time-out."""
        self.stop_all()
