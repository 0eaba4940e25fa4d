"""A server of ours as one process, or an existing server, which is never stopped."""

import shutil
import signal
import subprocess
from abc import abstractmethod
from pathlib import Path

from rapport_devkit.processes import Stoppable, end

START_SECONDS = 180.0
STOP_SECONDS = 30.0


class Server(Stoppable):
    """A server of ours in `folder`, or an existing one when that is None; a context manager.

    `stop_signal` asks it for a clean shutdown.
    """

    stop_signal: signal.Signals

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def owned(self) -> bool:
        """Whether the server is ours; an existing one is not."""
        return self._folder is not None

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError for an existing or stopped server."""
        return self._running().pid

    def stop(self) -> None:
        """Stop cleanly, with `stop_signal`. Does nothing to an existing or stopped server."""
        if self._process is not None:
            end(self._process, self.stop_signal, timeout_seconds=STOP_SECONDS)
            self._process = None

    def kill(self) -> None:
        """SIGKILL: a crash. Raises RuntimeError for an existing or stopped server."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop if it runs, and start again with the same data and port. Raises RuntimeError for an
        existing server."""
        if not self.owned:
            raise RuntimeError("an existing server is not ours to restart")
        self.stop()
        self._process = self._launch()

    def destroy(self) -> None:
        """Stop, and delete the folder with all data. Does nothing to an existing server."""
        self.stop()
        if self._folder is not None and self._folder.exists():
            shutil.rmtree(self._folder)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server is stopped, or was not started here")
        return self._process

    @abstractmethod
    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the process and return it when it is ready. Raises ProcessFailed."""
