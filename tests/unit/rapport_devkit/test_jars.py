"""Jars are fetched only when they are missing, and taken only with the SHA-256 of the lock."""

import hashlib
from pathlib import Path

import pytest

from rapport_devkit.jars import ArtifactRefused, LockedJar, ensure_jars, lock_file, read_lock

CONTENT = {"heron": b"grey", "wren": b"brown"}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    file = tmp_path / "jars.lock"
    lines = [f"org.birds:{n}:1.0 {hashlib.sha256(c).hexdigest()}" for n, c in CONTENT.items()]
    file.write_text("\n".join(lines) + "\n")
    return file


def honest(jar: LockedJar, cache: Path) -> Path:
    file = cache / jar.group / jar.file_name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CONTENT[jar.artifact])
    return file


def forged(jar: LockedJar, cache: Path) -> Path:
    file = honest(jar, cache)
    if jar.artifact == "wren":
        file.write_bytes(b"cuckoo")
    return file


def never(jar: LockedJar, cache: Path) -> Path:
    raise AssertionError(f"{jar.coordinates} was fetched into {cache} though it is there")


def test_fetches_what_is_missing_and_then_nothing(lock: Path, tmp_path: Path) -> None:
    files = ensure_jars(lock, tmp_path / "jars", fetch=honest)
    assert [file.name for file in files] == ["heron-1.0.jar", "wren-1.0.jar"]
    assert [file.read_bytes() for file in files] == [b"grey", b"brown"]
    assert ensure_jars(lock, tmp_path / "jars", fetch=never) == files
    assert sorted(tmp_path.joinpath("jars").iterdir()) == sorted(files)


def test_names_the_artifact_whose_checksum_differs_and_keeps_nothing(
    lock: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactRefused, match=r"org\.birds:wren:1\.0 has SHA-256 .*lock says"):
        ensure_jars(lock, tmp_path / "jars", fetch=forged)
    assert list(tmp_path.joinpath("jars").iterdir()) == []


def test_fetches_a_damaged_jar_anew(lock: Path, tmp_path: Path) -> None:
    first, _ = ensure_jars(lock, tmp_path / "jars", fetch=honest)
    first.write_bytes(b"damaged")
    ensure_jars(lock, tmp_path / "jars", fetch=honest)
    assert first.read_bytes() == b"grey"


def test_the_repositorys_lock_has_the_broker_and_no_jar_twice() -> None:
    names = [jar.file_name for jar in read_lock(lock_file())]
    assert "kafka_2.13-4.3.0.jar" in names
    assert len(set(names)) == len(names) == 46


def test_a_named_lock_wins(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_KAFKA_JARS_LOCK", str(lock))
    assert lock_file() == lock
    monkeypatch.setenv("RAPPORT_KAFKA_JARS_LOCK", str(lock.with_name("absent.lock")))
    with pytest.raises(FileNotFoundError, match="RAPPORT_KAFKA_JARS_LOCK"):
        lock_file()
