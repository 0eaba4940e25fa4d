"""Two practices in memory, and the command `import` given for a file of one."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingestion_service.handlers import register_practice
from ingestion_service.importing import running, taking
from ingestion_service.importing.command import import_command
from tests.support.memory.ingestion import MemoryStores
from tests.support.memory.ingestion_world import HARBOUR, LAKESIDE


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> MemoryStores:
    """Two practices, at noon of 1 June; chunks of two events, and no signals."""
    monkeypatch.setattr(taking, "CHUNK", 2)
    monkeypatch.setattr(taking.chunks, "__defaults__", (2,))
    monkeypatch.setattr(running, "stop_on_signals", threading.Event)
    monkeypatch.setattr(running.audit, "record", lambda *_: None)
    made = MemoryStores()
    with made.open_for_operator() as store:
        register_practice(LAKESIDE, store)
        register_practice(HARBOUR, store)
    return made


@pytest.fixture
def given(stores: MemoryStores, tmp_path: Path) -> Callable[..., list[str]]:
    """`given(text, *words)` gives the command for a file of Lakeside with this text."""

    class NoDatabase:
        def transaction(self) -> Any:
            return stores.transaction()

    def give(text: str, *words: str, takes: bool = True, source: str = "desk") -> list[str]:
        file = tmp_path / "my.csv"
        file.write_text(text, encoding="utf-8")
        whose = ["--practice", "lakeside", "--source", source, "--by", "ann"]
        yes = ["--yes", "--backfill"] if takes else []
        command = import_command(lambda *_: stores)
        options = command.parser.parse_args([str(file), *whose, *yes, *words])
        nothing: Any = NoDatabase()
        return command.act(nothing, nothing, options)

    return give
