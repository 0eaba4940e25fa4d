"""The status page is for operators and says what the source says."""

from datetime import UTC, datetime

from rapport_runtime.http.app import create_app
from rapport_runtime.ops.status_routes import PartitionStatus, Status, WorkerStatus, status_router
from tests.support.servers.app_calls import ask
from tests.unit.rapport_runtime.toy import OPERATOR, PRACTICE, toy_service

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Source:
    """A service that is half a day behind."""

    def status(self) -> Status:
        """Always the same."""
        return Status(
            service="toy",
            as_of=NOW,
            business_time=NOW.replace(hour=0),
            partitions=[PartitionStatus(topic="a.v1", partition=0, position=7)],
            lag=3,
            workers=[
                WorkerStatus(id="w1", state="live", partitions=["a.v1/0"], last_error="TryLater")
            ],
        )


def test_status() -> None:
    app = create_app(toy_service(), [status_router(_Source())])
    assert ask(app, "GET", "/v1/status").status_code == 401
    assert ask(app, "GET", "/v1/status", headers=PRACTICE).status_code == 403
    status = ask(app, "GET", "/v1/status", headers=OPERATOR).json()
    assert status["business_time"] == "2026-03-01T00:00:00Z"
    assert status["partitions"][0]["position"] == 7
    assert status["partitions"][0]["swept_through"] is None
    assert status["oldest_unpublished_at"] is None
    (worker,) = status["workers"]
    assert (worker["state"], worker["last_error"]) == ("live", "TryLater")
