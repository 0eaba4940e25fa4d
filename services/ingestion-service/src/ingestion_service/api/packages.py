"""`GET /v1/packages`: what was bought, used and refunded of a package or voucher."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from ingestion_service.api.schemas import ANY_CLIENT, WireModel
from ingestion_service.domain.facts import PracticeId
from ingestion_service.ports import Reads
from rapport_contracts.values import Name
from rapport_runtime.http.api_keys import Principal
from rapport_runtime.http.auth import require_practice
from rapport_runtime.http.problems import (
    Forbidden,
    InvalidRequest,
    NotFound,
    Unauthorised,
    Unavailable,
    responses,
)


class PackageAnswer(WireModel):
    """A package or voucher, as the bookings and payments that name it tell of it."""

    source: str = Field(examples=["moon-gate-pay"])
    package_id: str = Field(examples=["card-0042"])
    client_id: str | None = Field(
        description="For whom the money counts: the client of the earliest booking event that names"
        " it, else of the earliest settlement; null where neither is there.",
        examples=[ANY_CLIENT],
    )
    bought: int = Field(description="`units` of the payments that stand.", examples=[10])
    used: int = Field(description="Hours that took place.", examples=[3])
    refunded: int = Field(description="`units` of the refunds that stand.", examples=[0])
    left: int = Field(
        description="Bought, and neither used nor refunded; below zero where hours were used that"
        " no payment tells of.",
        examples=[7],
    )


def packages_router(reads: Reads) -> APIRouter:
    """The route that reads a package."""
    router = APIRouter(prefix="/v1", tags=["clients"])

    @router.get(
        "/packages",
        responses=responses(Unauthorised, Forbidden, InvalidRequest, NotFound, Unavailable),
    )
    def package(
        principal: Annotated[Principal, Depends(require_practice("clients:read"))],
        source: Annotated[Name, Query(examples=["moon-gate-pay"])],
        package_id: Annotated[Name, Query(examples=["card-0042"])],
    ) -> PackageAnswer:
        """Read a package: units bought and refunded, hours used, and whose it is.

        It is known from the first event that names it as `package_id`. Money that was paid for it
        counts as paid at once, an hour as used when it took place.
        """
        known = reads.package(PracticeId(principal.practice), source, package_id)
        if known is None:
            raise NotFound("no event of this source names such a package")
        return PackageAnswer(
            source=source,
            package_id=package_id,
            **known._asdict(),
            left=known.bought - known.used - known.refunded,
        )

    return router
