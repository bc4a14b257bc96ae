"""Traces: the call that stores the interactions of a process, from which the story of an order is read."""

import hashlib
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, ClassVar, Final
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.message import Call, Client
from nextbuy.contracts.values import Nothing

MAX_KEYS: Final = 100_000
"""Keys of one batch."""
MAX_LINES_BYTES: Final = 512 * 1024
"""Bytes of the compressed lines of one batch."""
_REQUEST: Final = "request:"
_TRACE_ID: Final = 32
"""Hexadecimal digits of a trace id."""
_HALF: Final = 2**63
TraceKey = Annotated[int, Meta(ge=-_HALF, le=_HALF - 1)]
"""A hash that fills a `bigint`."""


class Importance(IntEnum):
    """The order in which traces are deleted if they take too much space."""

    ROUTINE = 0
    FAILURE = 1
    """Something failed or was slow."""
    PURCHASE = 2


class TraceBatch(Struct, frozen=True):
    """Interactions of one process: lines of JSON, compressed with zlib, and the keys under which they are found."""

    id: Annotated[UUID, Meta(description="A batch that is sent again has the same id.")]
    importance: Importance
    keys: Annotated[list[TraceKey], Meta(max_length=MAX_KEYS, description="The `trace_key` of each id in it.")]
    lines: Annotated[bytes, Meta(max_length=MAX_LINES_BYTES, examples=["eAGrrgUAAXUA+Q=="])]


class StoreInteractions(
    Call[Nothing],
    to="kafka",
    name="store-interactions",
    callers=(
        "admin",
        "analytics",
        "auth",
        "gateway",
        "kafka",
        "notification",
        "order",
        "product",
        "seller",
        "simulator",
    ),
    idempotent=True,
):
    """Store interactions, each batch once."""

    batches: Annotated[list[TraceBatch], Meta(max_length=len(Importance))]


class TracesClient(Client):
    """The kafka service's store of interactions."""

    service: ClassVar[str] = "kafka"

    async def store_interactions(self, batches: Sequence[TraceBatch]) -> None:
        """Store interactions, each batch once."""
        await self._send(StoreInteractions(batches=list(batches)))


def request_key(request_id: str) -> int:
    """Return the number under which a client's request id is indexed, never that of an id of the marketplace."""
    return trace_key(_REQUEST + request_id)


def trace_key(id_text: str) -> int:
    """Return the number under which an id is indexed: 64 bits of its hash, as PostgreSQL's `bigint`.

    A trace id is random already, so that it needs no hash.
    """
    if len(id_text) == _TRACE_ID and id_text.isalnum():
        try:
            return int(id_text[:16], 16) - _HALF
        except ValueError:
            pass
    return int.from_bytes(hashlib.blake2b(id_text.encode(), digest_size=8).digest(), signed=True)
