"""Alive, ready, and the numbers: three small pages for whoever runs the service."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rapport_runtime.logs import describe, get_logger

Check = Callable[[], str | None]
"""Says None when all is well, else why not; an exception counts as "not", told by its type."""

Say = Callable[[], str]
"""What a process that is ready says of itself: ready, or that operators have paused it."""

Refresh = Callable[[], None]
"""Brings gauges up to date just before they are read; whatever it raises is only logged."""

_LOG = get_logger(__name__)
_JSON = "application/json"
_POLL_SECONDS = 0.2
_CLIENT_SECONDS = 5.0


@dataclass(frozen=True)
class ProbeAnswer:
    """What a probe is told: status, media type, body."""

    status: int
    media_type: str
    body: bytes


def healthz() -> ProbeAnswer:
    """Alive: the process answers. It asks nothing else, or a database's fault would kill us."""
    return ProbeAnswer(200, _JSON, b'{"status":"alive"}')


def _ready() -> str:
    return "ready"


def readyz(checks: Mapping[str, Check], say: Say = _ready) -> ProbeAnswer:
    """Ready: every check is content; else 503 with the reason of each that is not. Who is paused
    is not stuck: 200, and says so.

    For a worker a check must ask for progress (when did the position last move or the log's end
    prove reached): `poll()` returns nothing both when all is read and when the broker is dead.
    """
    faults = {name: fault for name, check in checks.items() if (fault := _ask(check))}
    said = {"status": "not ready" if faults else say(), "reasons": faults}
    return ProbeAnswer(503 if faults else 200, _JSON, json.dumps(said).encode())


def metrics(refresh: Sequence[Refresh] = ()) -> ProbeAnswer:
    """All numbers in Prometheus's text format."""
    for each in refresh:
        try:
            each()
        except Exception as error:  # noqa: BLE001 - the other numbers are told all the same
            _LOG.warning("gauges_unknown", error=describe(error))
    return ProbeAnswer(200, CONTENT_TYPE_LATEST, generate_latest())


def probe_router(checks: Mapping[str, Check], refresh: Sequence[Refresh] = ()) -> APIRouter:
    """The three pages for an app; open to everyone, so they hold no client and no key."""
    router = APIRouter(tags=["probes"], include_in_schema=False)
    router.add_api_route("/healthz", lambda: _response(healthz()), methods=["GET"])
    router.add_api_route("/readyz", lambda: _response(readyz(checks)), methods=["GET"])
    router.add_api_route("/metrics", lambda: _response(metrics(refresh)), methods=["GET"])
    return router


class ProbeServer:
    """The three pages for a process without an app, on a thread of its own.

    `port` is the one that was bound (asked 0: a free one). It ends soon after `stop` is set;
    `join` waits for that.
    """

    def __init__(
        self,
        port: int,
        checks: Mapping[str, Check],
        stop: Event,
        host: str = "127.0.0.1",
        say: Say = _ready,
    ) -> None:
        self._stop = stop
        self._server = ThreadingHTTPServer((host, port), _handler(checks, say))
        self._server.daemon_threads = True
        self._server.timeout = _POLL_SECONDS
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._serve, name="probes", daemon=True)
        self._thread.start()

    def join(self, timeout_seconds: float = 2.0) -> None:
        """Wait until the thread has ended; call it after `stop` was set."""
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
    say: Say = _ready,
) -> ProbeServer:
    """Start the probe pages of a worker; raises OSError when the port is taken."""
    server = ProbeServer(port, checks, stop, host, say)
    _LOG.info("probes_served", port=server.port)
    return server


def _ask(check: Check) -> str | None:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever fails, the service is not ready
        return describe(error)


def _response(answer: ProbeAnswer) -> Response:
    return Response(
        answer.body, status_code=answer.status, headers={"Content-Type": answer.media_type}
    )


def _handler(checks: Mapping[str, Check], say: Say) -> type[BaseHTTPRequestHandler]:
    pages: dict[str, Callable[[], ProbeAnswer]] = {
        "/healthz": healthz,
        "/readyz": lambda: readyz(checks, say),
        "/metrics": metrics,
    }

    class Pages(BaseHTTPRequestHandler):
        """Answers GET for the three pages, anything else with 404."""

        timeout = _CLIENT_SECONDS

        def do_GET(self) -> None:
            page = pages.get(self.path.partition("?")[0])
            answer = page() if page else ProbeAnswer(404, _JSON, b'{"status":"not found"}')
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
            _LOG.debug("probe_answered")

    return Pages
