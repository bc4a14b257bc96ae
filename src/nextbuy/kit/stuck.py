"""Stuck work: work that has failed for more than ten minutes, listed in the same form by every service.

A service declares its kinds of work in a `StuckWork`, usually rows under leases (`leased_kind`). A retry makes a row
due now. Giving up locks the row and records the admin's reason; the service ends the work in the same transaction.
"""

from datetime import datetime
from typing import Annotated, Final, Protocol

from msgspec import Meta, Struct

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.values import Page, PageRequest, ShortText, Timestamp
from nextbuy.kit.audit_log import record
from nextbuy.kit.http.paging import decode_cursor, encode_cursor
from nextbuy.kit.storage.database import Database, Executor, Transaction
from nextbuy.kit.storage.leases import Leases

STUCK_AFTER: Final = 600
"""Seconds of failures after which work is stuck: longer than a restart or a deployment takes."""
_MAX_COUNTED: Final = 10_000
"""Rows of one kind that are counted, so that a count is quick in an outage too."""

StuckId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+\Z",
        description="The `id` in the list.",
        extra={"invalid": "Not an id. Send the `id` from the list."},
    ),
]
StuckNotFound: Final = NotFound.of(
    "stuck-not-found", "No stuck work has this id. It may have succeeded; request the list again."
)
StuckInProgress: Final = Conflict.of(
    "stuck-in-progress", "This work is being tried right now. Request the list again in a moment."
)


class Stuck(Struct, frozen=True, kw_only=True):
    """Work that has failed for more than ten minutes; `reason` is the last error."""

    id: str
    kind: str
    since: Timestamp
    attempts: int
    reason: str


class StuckRef(Struct, frozen=True):
    """The id of stuck work."""

    id: StuckId


class GiveUp(Struct, frozen=True):
    """The id of stuck work, and the reason for giving it up."""

    id: StuckId
    reason: ShortText


class StuckKind(Struct, frozen=True):
    """A kind of work and its SQL; `retry` and `lock` take an id as $1.

    `rows` selects the stuck work as the columns of `Stuck`, `retry` makes it due, and `lock` locks its row and returns
    true unless it is being tried. Work without `retry` is tried continually.
    """

    name: str
    rows: str
    retry: str = ""
    lock: str = "SELECT true"


class _HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...


def leased_kind(
    name: str, leases: Leases, *, key: str = "", condition: str = "true", failure: str | None = None
) -> StuckKind:
    """Return the kind of work on the rows under `leases` for which `condition` holds.

    The id is the column `key`, by default the primary key; the reason is the column `failure`, by default that of the
    leases.
    """
    prefix = leases.failures or ""
    due, since, delayed = leases.due, f"{prefix}failing_since", f"{prefix}delayed_until"
    stuck = f"{due} IS NOT NULL AND {since} < now() - interval '{STUCK_AFTER} seconds' AND {condition}"
    by_id = f"{key or leases.key}::text = $1 AND {stuck}"
    return StuckKind(
        name,
        f"""
        SELECT '{name}' AS kind, {key or leases.key}::text AS id, {since} AS since, {leases.attempts} AS attempts,
               coalesce(nullif({failure or f"{prefix}failure"}, ''), 'interrupted; no outcome was stored') AS reason
          FROM {leases.table} WHERE {stuck}
        """,  # noqa: S608  constants, as below
        retry=f"UPDATE {leases.table} SET {due} = now() WHERE {by_id} AND {due} = {delayed}",  # noqa: S608
        lock=f"SELECT true FROM {leases.table} WHERE {by_id} AND ({due} = {delayed} OR {due} <= now()) FOR UPDATE",  # noqa: S608
    )


class StuckWork:
    """The stuck work of one service; an id is unique among all its kinds."""

    def __init__(self, *kinds: StuckKind) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        stuck = " UNION ALL ".join(kind.rows for kind in kinds)
        counted = " UNION ALL ".join(f"(SELECT kind FROM ({kind.rows}) AS k LIMIT {_MAX_COUNTED})" for kind in kinds)  # noqa: S608
        self._page = f"""
            SELECT * FROM ({stuck}) AS stuck WHERE $1::timestamptz IS NULL OR (since, id) > ($1, $2)
             ORDER BY since, id LIMIT $3
        """  # noqa: S608
        self._find = f"SELECT * FROM ({stuck}) AS stuck WHERE id = $1"  # noqa: S608
        self._count = f"SELECT kind, count(*) AS n FROM ({counted}) AS stuck GROUP BY kind ORDER BY kind"  # noqa: S608

    async def page(self, db: Executor, request: PageRequest) -> Page[Stuck]:
        """Return a page of stuck work, longest stuck first; an invalid cursor is `Unprocessable`."""
        listed = ("stuck", *self._kinds)
        since, last = decode_cursor(listed, request.start, datetime, str) if request.start else (None, None)
        rows = await db.fetch(self._page, since, last, request.limit + 1)
        items = [Stuck(**row) for row in rows[: request.limit]]
        more = len(rows) > request.limit
        return Page(items, encode_cursor(listed, items[-1].since, items[-1].id) if more else None)

    async def status(self, deps: _HasDatabase) -> dict[str, object]:
        """Return the amount of stuck work by kind, as a part of the service's status."""
        return {"stuck": {row["kind"]: row["n"] for row in await deps.database.fetch(self._count)}}

    async def retry(self, tx: Transaction, actor: str, stuck_id: str) -> Stuck:
        """Make stuck work due now, and record it in the audit log.

        Raises:
            NotFound: no stuck work has this id (`stuck-not-found`).
        """
        stuck = await self.get(tx, stuck_id)
        if retry := self._kinds[stuck.kind].retry:
            await tx.execute(retry, stuck_id)
        await record(
            tx, actor, "retry-stuck", stuck_id, before="stuck", after="due", kind=stuck.kind, failure=stuck.reason
        )
        return stuck

    async def give_up(self, tx: Transaction, actor: str, request: GiveUp) -> Stuck:
        """Lock stuck work, and record the decision and its reason; the caller ends the work in this transaction.

        Raises:
            NotFound: no stuck work has this id (`stuck-not-found`).
            Conflict: it is being tried right now (`stuck-in-progress`).
        """
        stuck = await self.get(tx, request.id)
        if not await tx.fetchval(self._kinds[stuck.kind].lock, request.id):
            raise StuckInProgress(retry_after=1)
        states = {"before": "stuck", "after": "given up", "reason": request.reason}
        await record(tx, actor, "give-up-stuck", request.id, **states, kind=stuck.kind, failure=stuck.reason)
        return stuck

    async def get(self, db: Executor, stuck_id: str) -> Stuck:
        """Return stuck work; `NotFound` (`stuck-not-found`) if no stuck work has this id."""
        row = await db.fetchrow(self._find, stuck_id)
        if row is None:
            raise StuckNotFound
        return Stuck(**row)
