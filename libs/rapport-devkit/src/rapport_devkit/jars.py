"""The 46 jars of Apache Kafka in deploy/kafka/jars.lock, each checked by its SHA-256.

The lock lists the whole tree as Maven resolves it. jgo alone once resolved it to versions with
which the broker crashes, so it only fetches, one named artifact at a time.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from jgo.maven import MavenContext

_THREADS = 8


class ArtifactRefused(RuntimeError):
    """A jar could not be fetched or has another SHA-256; the message names the artifact."""


@dataclass(frozen=True)
class LockedJar:
    """One line of the lock: Maven coordinates and the SHA-256 of the jar, in hex."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinates(self) -> str:
        """`group:artifact:version`."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """The jar's name in the folder of jars."""
        return f"{self.artifact}-{self.version}.jar"


Fetch = Callable[[LockedJar, Path], Path]
"""Fetches one jar into a cache folder and returns its file."""


def lock_file() -> Path:
    """`RAPPORT_KAFKA_JARS_LOCK`, else `deploy/kafka/jars.lock` of this file's repository.

    `server.properties` and `log4j2.properties` lie beside it. Raises FileNotFoundError for neither.
    """
    named = os.environ.get("RAPPORT_KAFKA_JARS_LOCK")
    places = (
        [Path(named)]
        if named
        else [folder / "deploy" / "kafka" / "jars.lock" for folder in Path(__file__).parents]
    )
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(
        "no deploy/kafka/jars.lock above the package: set RAPPORT_KAFKA_JARS_LOCK"
    )


def read_lock(lock: Path) -> list[LockedJar]:
    """The jars of a lock: lines of `group:artifact:version sha256`. Raises ValueError."""
    jars = []
    for line in lock.read_text().splitlines():
        coordinates, sha256 = line.split()
        group, artifact, version = coordinates.split(":")
        jars.append(LockedJar(group, artifact, version, sha256))
    return jars


def ensure_jars(lock: Path, folder: Path, *, fetch: Fetch | None = None) -> list[Path]:
    """The files of all jars in `lock`, in its order; jars that `folder` lacks are fetched first.

    The first call fetches 44 MB in about 7 s; later ones check for 0.1 s. Several processes may
    call it at once. Raises ArtifactRefused for an artifact that cannot be fetched or has another
    SHA-256; it is not stored then.
    """
    jars = read_lock(lock)
    files = [folder / jar.file_name for jar in jars]
    missing = [jar for jar, file in zip(jars, files, strict=True) if not _is_right(jar, file)]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as cache:
            with ThreadPoolExecutor(_THREADS) as threads:
                list(
                    threads.map(
                        lambda jar: _add_to_cache(jar, Path(cache), fetch or _fetch_with_jgo),
                        missing,
                    )
                )
            for jar in missing:
                (Path(cache) / jar.file_name).replace(folder / jar.file_name)
    return files


def _is_right(jar: LockedJar, file: Path) -> bool:
    return file.is_file() and _sha256(file) == jar.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _add_to_cache(jar: LockedJar, cache: Path, fetch: Fetch) -> None:
    fetched = fetch(jar, cache / "repository")
    found = _sha256(fetched)
    if found != jar.sha256:
        raise ArtifactRefused(f"{jar.coordinates} has SHA-256 {found}, the lock says {jar.sha256}")
    shutil.copyfile(fetched, cache / jar.file_name)


def _fetch_with_jgo(jar: LockedJar, cache: Path) -> Path:
    project = MavenContext(repo_cache=cache).project(jar.group, jar.artifact)
    try:
        file = project.at_version(jar.version).artifact().resolve()
    except (RuntimeError, OSError) as failure:
        raise ArtifactRefused(f"{jar.coordinates} could not be fetched: {failure}") from failure
    return Path(file)
