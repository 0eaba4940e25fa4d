"""The provider sandbox as a child process, for tests of providers and of the whole house."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox: its two ports and the file of its deliveries."""

    http_url: str
    smtp_port: int
    log: Path
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, log: Path, *arguments: str) -> "Sandbox":
        """Start one on free ports and wait until it accepts."""
        command = [sys.executable, "-m", "rapport_devkit.sandbox", "--log", str(log), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        return cls(f"http://127.0.0.1:{ports['http_port']}", ports["smtp_port"], log, process)

    def stop(self) -> int:
        """End it; its exit code."""
        self.process.terminate()
        code = self.process.wait(10)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def fault(self, channel: str, kind: str, **more: Any) -> None:
        """Switch a fault on, for the next call unless told otherwise."""
        measure = {} if "ratio" in more else {"count": 1}
        body = {"channel": channel, "kind": kind, **measure, **more}
        httpx.post(f"{self.http_url}/faults", json=body).raise_for_status()

    def heal(self) -> None:
        """Switch all faults off."""
        httpx.delete(f"{self.http_url}/faults").raise_for_status()

    def deliveries(self) -> list[dict[str, Any]]:
        """Everything that was delivered since the start, from the file."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
