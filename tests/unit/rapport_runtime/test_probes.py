"""Alive is not ready; not ready says why; workers without an app are probed, too."""

from collections.abc import Iterator
from threading import Event

import httpx
import pytest

from rapport_runtime.http.probes import ProbeServer, serve_probes
from rapport_runtime.metrics import METRICS, RECORDS
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import PRACTICE, toy_app


def _stuck() -> str | None:
    return "no progress for 40 s"


def _broken() -> str | None:
    raise ConnectionError("secret host")


def _well() -> str | None:
    return None


def test_an_app_is_alive_while_it_is_not_ready() -> None:
    app = toy_app(checks={"bus": _stuck, "database": _broken, "relay": _well})
    assert ask(app, "GET", "/healthz").status_code == 200
    response = ask(app, "GET", "/readyz")
    assert response.status_code == 503
    assert response.json()["reasons"] == {
        "bus": "no progress for 40 s",
        "database": "ConnectionError",
    }
    assert ask(toy_app(checks={"relay": _well}), "GET", "/readyz").status_code == 200


def test_metrics_count_by_template_and_never_by_path() -> None:
    app = toy_app()
    ask(app, "GET", "/v1/things/some-client-id", headers=PRACTICE)
    ask(app, "GET", "/elsewhere/other-client-id")
    text = ask(app, "GET", "/metrics").text
    assert (
        'rapport_http_requests_total{method="GET",route="/v1/things/{thing_id}",status="404"}'
        in text
    )
    assert 'route="unmatched"' in text
    assert "client-id" not in text


def test_every_metric_says_what_to_do() -> None:
    families = [family for metric in METRICS for family in metric.describe()]
    assert all("Advice: " in family.documentation for family in families)
    assert len({family.name for family in families}) == len(METRICS)
    assert all(family.name.startswith("rapport_") for family in families)


@pytest.fixture
def stop() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def _get(server: ProbeServer, path: str) -> httpx.Response:
    with httpx.Client(trust_env=False) as client:
        return client.get(f"http://127.0.0.1:{server.port}{path}", timeout=5)


def test_a_worker_is_probed_on_its_own_port_until_it_stops(stop: Event) -> None:
    fault: list[str | None] = ["starting"]
    server = serve_probes(0, {"loop": lambda: fault[0]}, stop)
    RECORDS.labels("toy", "toy.v1").inc()
    assert _get(server, "/healthz").status_code == 200
    assert _get(server, "/readyz").json()["reasons"] == {"loop": "starting"}
    fault[0] = None
    assert _get(server, "/readyz?x=1").status_code == 200
    assert 'rapport_records_total{group="toy",topic="toy.v1"}' in _get(server, "/metrics").text
    assert _get(server, "/else").status_code == 404
    stop.set()
    server.join()
    with pytest.raises(httpx.ConnectError):
        _get(server, "/healthz")
