"""`/healthz`, `/readyz` and `/metrics`: three small pages for the service's operators."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rapport_runtime.http.own_threads import OwnThreads, Remembered
from rapport_runtime.logs import describe, get_logger

Check = Callable[[], str | None]
"""Gives None when all is well, else the reason; an exception counts as its type's name."""

ReadyStatus = Callable[[], str]
"""Gives the status of a process that is ready: `ready`, or that operators have paused it."""

Refresh = Callable[[], None]
"""Brings gauges up to date just before they are read; what it raises is only logged."""

log = get_logger(__name__)
_JSON = "application/json"
_POLL_SECONDS = 0.2
_CLIENT_SECONDS = 5.0
READY_SECONDS = 1.0
GAUGES_SECONDS = 5.0
"""For so long an app remembers what it has asked the database for `/readyz` and `/metrics`, which
anybody may ask for who reaches its port."""


@dataclass(frozen=True)
class ProbeAnswer:
    """The answer to a probe: status, media type, body."""

    status: int
    media_type: str
    body: bytes


def healthz() -> ProbeAnswer:
    """200: the process answers. It checks nothing else, or a database's fault would kill us."""
    return ProbeAnswer(200, _JSON, b'{"status":"alive"}')


def _ready() -> str:
    return "ready"


def readyz(checks: Mapping[str, Check], ready_status: ReadyStatus = _ready) -> ProbeAnswer:
    """200 when every check passes, else 503 with the reason of each that does not.

    A paused process is not stuck: 200, with the status that it gives. The check of a worker must
    look for progress (when did the position last move, or reach the log's end): `poll()` returns
    nothing both when all is read and when the broker is dead.
    """
    faults = {name: fault for name, check in checks.items() if (fault := _fault_of(check))}
    answer = {"status": "not ready" if faults else ready_status(), "reasons": faults}
    return ProbeAnswer(503 if faults else 200, _JSON, json.dumps(answer).encode())


def metrics(refresh: Sequence[Refresh] = ()) -> ProbeAnswer:
    """All metrics in Prometheus's text format."""
    for update in refresh:
        try:
            update()
        except Exception as error:  # noqa: BLE001 - the other numbers are still shown
            log.warning("gauges_unknown", error=describe(error))
    return ProbeAnswer(200, CONTENT_TYPE_LATEST, generate_latest())


def probe_router(checks: Mapping[str, Check], refresh: Sequence[Refresh] = ()) -> APIRouter:
    """The three pages for an app; they need no key, so they show no client and no key.

    Each page that asks the database has a thread of its own, so that neither requests nor the other
    page keep it waiting, and remembers for a moment what it was told, so that however often it is
    asked, the database is not.
    """
    router = APIRouter(tags=["probes"], include_in_schema=False)
    ready = Remembered(lambda: readyz(checks), READY_SECONDS)
    gauges = [Remembered(update, GAUGES_SECONDS) for update in refresh]
    ready_thread, metrics_thread = OwnThreads("readyz", 1), OwnThreads("metrics", 1)

    async def healthz_page() -> Response:
        return _response(healthz())

    async def readyz_page() -> Response:
        return _response(await ready_thread.run(ready))

    async def metrics_page() -> Response:
        return _response(await metrics_thread.run(metrics, gauges))

    for page in (healthz_page, readyz_page, metrics_page):
        path = "/" + page.__name__.removesuffix("_page")
        router.add_api_route(path, page, methods=["GET"])
    return router


class ProbeServer:
    """The three pages for a process without an app, on a thread of its own.

    `port` is the one that was bound; 0 binds a free one. It ends soon after `stop` is set, and
    `join` waits for that.
    """

    def __init__(
        self,
        port: int,
        checks: Mapping[str, Check],
        stop: Event,
        host: str = "127.0.0.1",
        ready_status: ReadyStatus = _ready,
    ) -> None:
        self._stop = stop
        self._server = ThreadingHTTPServer((host, port), _handler(checks, ready_status))
        self._server.daemon_threads = True
        self._server.timeout = _POLL_SECONDS
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._serve, name="probes", daemon=True)
        self._thread.start()

    def join(self, timeout_seconds: float = 2.0) -> None:
        """Wait until the thread has ended. Call it after `stop` was set."""
        self._thread.join(timeout_seconds)

    def _serve(self) -> None:
        with self._server:
            while not self._stop.is_set():
                self._server.handle_request()


def serve_probes(
    port: int,
    checks: Mapping[str, Check],
    stop: Event,
    host: str = "127.0.0.1",
    ready_status: ReadyStatus = _ready,
) -> ProbeServer:
    """Start the probe pages of a worker; raises OSError when the port is taken."""
    server = ProbeServer(port, checks, stop, host, ready_status)
    log.info("probes_served", port=server.port)
    return server


def _fault_of(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever fails, the service is not ready
        return describe(error)


def _response(answer: ProbeAnswer) -> Response:
    return Response(
        answer.body, status_code=answer.status, headers={"Content-Type": answer.media_type}
    )


def _handler(
    checks: Mapping[str, Check], ready_status: ReadyStatus
) -> type[BaseHTTPRequestHandler]:
    pages: dict[str, Callable[[], ProbeAnswer]] = {
        "/healthz": healthz,
        "/readyz": lambda: readyz(checks, ready_status),
        "/metrics": metrics,
    }

    class Pages(BaseHTTPRequestHandler):
        """Answers GET and HEAD for the three pages, other pages with 404."""

        timeout = _CLIENT_SECONDS

        def do_HEAD(self) -> None:
            self._head()

        def do_GET(self) -> None:
            self.wfile.write(self._head().body)

        def _head(self) -> ProbeAnswer:
            page = pages.get(self.path.partition("?")[0])
            answer = page() if page else ProbeAnswer(404, _JSON, b'{"status":"not found"}')
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            return answer

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            log.debug("probe_answered")

    return Pages
