"""`GET /v1/status`: how far this service has come, for operators."""

from typing import Annotated, Literal, Protocol, Self

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_operator
from rapport_runtime.http.problems import Forbidden, Unauthorised, Unavailable, responses
from rapport_runtime.ops.pauses import Kind, Pause

SCOPE = "status:read"
WorkerState = Literal["live", "silent", "halted"]


class UnreadableStatus(BaseModel):
    """What the client cannot read: the partition stands still before it."""

    offset: int = Field(examples=[10482])
    why: str = Field(examples=["its checksum is wrong"])


class PartitionStatus(BaseModel):
    """How far one partition was handled."""

    topic: str = Field(examples=["client-activity.v1"])
    partition: int = Field(examples=[0])
    position: int = Field(description="The next offset to handle.", examples=[10482])
    processed_through: AwareDatetime | None = Field(
        default=None, description="All records up to this instant are handled."
    )
    swept_through: AwareDatetime | None = Field(
        default=None, description="All changes by time up to this instant are made."
    )
    unreadable: UnreadableStatus | None = Field(
        default=None,
        description="What an operator has to look at and skip; null where all can be read.",
        examples=[None],
    )


class WorkerStatus(BaseModel):
    """One worker process, by its last sign of progress."""

    id: str = Field(examples=["worker-7f9c"])
    state: WorkerState = Field(
        description="live: a sign within 30 s; silent: none since then, for an hour at most;"
        " halted: it has stopped itself.",
        examples=["live"],
    )
    last_progress_at: AwareDatetime | None = Field(
        default=None, description="When broker and database last both answered it."
    )
    partitions: list[str] = Field(
        default_factory=list,
        description="What it holds; if it is not live, what it held last.",
        examples=[["client-activity.v1/0"]],
    )
    last_error: str | None = Field(
        default=None,
        description="Its kind, never a value; begins with broker or database when the worker"
        " waits for that one.",
        examples=[None],
    )


class PauseStatus(BaseModel):
    """A worker, a topic or a practice that operators have paused until they resume it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "practice",
                    "subject": "lantern-harbour",
                    "since": "2026-03-02T09:30:00Z",
                    "until": None,
                    "who": "key 6c1f0a52b3d94e87",
                    "why": "complaint of this morning, see ticket 4711",
                }
            ]
        }
    )

    kind: Kind
    subject: str = Field(examples=["lantern-harbour"])
    since: AwareDatetime
    until: AwareDatetime | None = Field(description="Null: until it is resumed.")
    who: str = Field(
        description="`key` and its id, or the account that gave the command.",
        examples=["key 6c1f0a52b3d94e87"],
    )
    why: str = Field(examples=["complaint of this morning, see ticket 4711"])

    @classmethod
    def of(cls, pause: Pause) -> Self:
        """A pause as the API shows it."""
        return cls(
            kind=pause.kind,
            subject=pause.subject,
            since=pause.paused_at,
            until=pause.ends_at,
            who=pause.actor,
            why=pause.reason,
        )


class PurgeStatus(BaseModel):
    """The last purge of one class of retention."""

    name: str = Field(examples=["dead-letters"])
    finished_at: AwareDatetime | None = Field(description="Null until one has succeeded.")
    rows: int = Field(
        description="How many went; of months that were dropped whole, an estimate.", examples=[120]
    )
    oldest_left_at: AwareDatetime | None = Field(
        description="The time of the oldest row that is left; of months, their first instant."
    )
    seconds: float = Field(examples=[0.4])


class QueueStatus(BaseModel):
    """What waits in the queues of practices that have sent more than their share. While anything of
    a practice waits, its clients' time stands still."""

    practices: int = Field(description="How many practices wait.", examples=[0])
    records: int = Field(description="How many of their records wait.", examples=[0])
    oldest_at: AwareDatetime | None = Field(
        description="The time at which the one that waits longest stands; null when none waits."
    )
    ever: int = Field(
        description="How many records have been put into a queue so far, about.", examples=[12800]
    )


class Status(BaseModel):
    """The service as a whole; null means not known yet."""

    service: str = Field(examples=["scoring-service"])
    as_of: AwareDatetime = Field(description="The database's clock when this was read.")
    business_time: AwareDatetime | None = Field(
        default=None, description="The least over the partitions; days end by this clock."
    )
    partitions: list[PartitionStatus] = Field(default_factory=list)
    lag: int | None = Field(
        default=None, description="Records between positions and log ends.", examples=[0]
    )
    oldest_due_at: AwareDatetime | None = None
    oldest_unpublished_at: AwareDatetime | None = None
    workers: list[WorkerStatus] = Field(default_factory=list)
    pauses: list[PauseStatus] = Field(
        default_factory=list,
        description="While a topic or all workers are paused, business time stands still.",
    )
    purges: list[PurgeStatus] = Field(
        default_factory=list, description="Empty until the first purge."
    )
    queues: QueueStatus | None = Field(
        default=None, description="Null for a service in which no practice waits."
    )


class StatusSource(Protocol):
    """Gives the status of a service; its store, as a rule."""

    def status(self) -> Status:
        """The state now, read in one transaction."""


def status_router(source: StatusSource) -> APIRouter:
    """The router with the one page, for operators' keys with the scope `status:read`."""
    router = APIRouter(prefix="/v1", tags=["status"])

    @router.get("/status", responses=responses(Unauthorised, Forbidden, Unavailable))
    def status(_principal: Annotated[Principal, Depends(require_operator(SCOPE))]) -> Status:
        """Get how far this service has come.

        Business time, lag, the oldest work that waits, the workers, what is paused, the last purge,
        and the practices of which records wait.
        """
        return source.status()

    return router
