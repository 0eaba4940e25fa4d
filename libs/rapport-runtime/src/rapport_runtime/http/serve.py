"""Runs an app until SIGTERM or SIGINT; open requests are still answered, within 10 s (R2)."""

import signal
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from rapport_runtime import gc_tuning
from rapport_runtime.logs import get_logger
from rapport_runtime.settings import ServiceSettings

GRACE_SECONDS = 8
_KEEP_ALIVE_SECONDS = 5
SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter from the others, at most; Python's default is ten times
that. While five threads make pages of 1,000 rows, the event loop needs it many times for each
answer, and waited for all five each time (R28)."""
log = get_logger(__name__)


class _Server(uvicorn.Server):
    """Closes the streams as soon as a signal comes: they would not end by themselves."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.streams.close()  # type: ignore[union-attr]  # ours is a FastAPI
        super().handle_exit(sig, frame)


def serve(app: FastAPI, settings: ServiceSettings, *, grace_seconds: int = GRACE_SECONDS) -> None:
    """Serve `app` on the settings' host and port; returns after SIGTERM or SIGINT.

    Call it from the main thread, after `logs.configure`. At the signal new connections are
    refused and streams end; other open requests have `grace_seconds`. Exits with 3 when it cannot
    start (the port is taken).
    """
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,  # its lines go to our own handler
        access_log=False,  # it would print paths as sent; the edge writes one line a request
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=grace_seconds,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
    )
    server = _Server(config)
    # uvicorn raises the signal again once it has stopped; a stop by a signal exits with 0
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    gc_tuning.tune_gc()
    sys.setswitchinterval(SWITCH_SECONDS)
    log.info("api_starting", host=settings.host, port=settings.port)
    server.run()
    if not server.started:
        sys.exit(3)
    log.info("api_stopped")
