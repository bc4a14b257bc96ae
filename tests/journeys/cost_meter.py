"""Measure what a marketplace does: commits, statements, Redis commands, WAL and log lines.

PostgreSQL logs every statement, which also tells commits: a statement outside a transaction is one. What a script calls
counts as a Redis command. Whole-page images in the WAL are turned off, since they depend on the last checkpoint.
"""

import asyncio
import json
import re
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Self, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from msgspec import Struct
from msgspec.structs import asdict
from redis.asyncio import Redis

from nextbuy.contracts.traces import trace_key
from nextbuy.embedded import running_urls
from nextbuy.host.composition import destinations
from tests.journeys.marketplace import Marketplace
from tests.waiting import until

_SETTINGS: Final = {
    "log_min_duration_statement": "0",
    "log_line_prefix": "'%a %p '",
    "log_parameter_max_length": "0",
    "full_page_writes": "off",
    "autovacuum": "off",
}
_STATEMENT: Final = re.compile(
    rb"nextbuy-(\w+) (\d+) LOG:  duration: [\d.]+ ms  (?:statement|execute [^:]*): *(\w*)"
    rb"\s*((?:WITH )?(?:leased|held) AS)?"
)
_SERVICES_OF_PURCHASE: Final = {"auth", "order", "product", "seller", "simulator"}
_OWN_COMMANDS: Final = {"cmdstat_info", "cmdstat_llen"}
"""Redis commands that only the measurement sends."""
_DESTINATIONS: Final = Counter(topic for destination in destinations() for topic in destination.topics)
"""The number of services that each topic is delivered to."""


Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Cost(Struct, frozen=True, kw_only=True):
    """Counts of work; WAL and log in bytes."""

    commits: float
    statements: float
    request_statements: float
    """Statements of the services that requests reach, without their relays; batches of events do not change them."""
    redis_commands: float
    wal: float
    log: float

    def combine(self, other: Self, factor: float) -> "Cost":
        """Return this cost plus `factor` times another one."""
        added = asdict(other)
        return Cost(**{name: value + factor * added[name] for name, value in asdict(self).items()})

    def __sub__(self, other: Self) -> "Cost":
        return self.combine(other, -1)

    def __truediv__(self, number: float) -> "Cost":
        return Cost(**{name: value / number for name, value in asdict(self).items()})

    def __str__(self) -> str:
        return (
            f"{self.commits:.2f} commits, {self.statements:.2f} statements, {self.request_statements:.2f} of requests, "
            f"{self.redis_commands:.2f} Redis commands, "
            f"{self.wal / 1000:.2f} kB WAL, {self.log / 1000:.2f} kB log"
        )


class CostMeter:
    """A meter of one marketplace, whose engines it reconfigures."""

    def __init__(
        self, market: Marketplace, server: Connection, orders: Connection, traces: Connection, redis: Redis
    ) -> None:
        self._market = market
        self._server = server
        self._orders = orders
        self._traces = traces
        self._redis = redis
        self._offset = 0
        self._in_transaction: set[bytes] = set()
        self._log = market.data / "nextbuy.log"
        self._last_trace = b""
        self.statements: Counter[str] = Counter()
        """By service."""
        self.commits: Counter[str] = Counter()
        """By service."""
        self._request_statements = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, market: Marketplace) -> AsyncIterator[Self]:
        """Connect to the engines of a running marketplace, and have them log statements."""
        postgres, redis_url = running_urls(market.data)
        assert postgres is not None
        assert redis_url is not None
        server = await asyncpg.connect(postgres)
        orders, traces = [
            await asyncpg.connect(urlunsplit(urlsplit(postgres)._replace(path=f"/nextbuy_{name}")))
            for name in ("order", "kafka")
        ]
        for name, value in _SETTINGS.items():
            await server.execute(f"ALTER SYSTEM SET {name} = {value}")
        await server.execute("SELECT pg_reload_conf()")
        try:
            async with Redis.from_url(redis_url) as redis:
                yield cls(market, server, orders, traces, redis)
        finally:
            await orders.close()
            await traces.close()
            await server.close()

    async def idle(self, seconds: float) -> Cost:
        """Return the cost per second of a marketplace without users."""
        begin, began = await self.read(), time.monotonic()
        await asyncio.sleep(seconds)
        return (await self.read() - begin) / (time.monotonic() - began)

    async def read(self) -> Cost:
        """Return everything that was done since the start."""
        self._read_statements()
        stats = await self._redis.info("commandstats")
        return Cost(
            commits=self.commits.total(),
            statements=self.statements.total(),
            request_statements=self._request_statements,
            redis_commands=sum(stat["calls"] for name, stat in stats.items() if name not in _OWN_COMMANDS),
            wal=float(await self._server.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")),
            log=self._market.log_size(),
        )

    def _read_statements(self) -> None:
        whole = _whole_lines(self._market.data / "postgres.log", self._offset)
        self._offset += len(whole)
        for match in _STATEMENT.finditer(whole):
            service, session, word = match[1].decode(), match[2], match[3].upper()
            self.statements[service] += 1
            self._request_statements += service in _SERVICES_OF_PURCHASE and not match[4]
            if word == b"BEGIN":
                self._in_transaction.add(session)
                continue
            if word in {b"COMMIT", b"ROLLBACK"}:
                self._in_transaction.discard(session)
            if session not in self._in_transaction and word != b"ROLLBACK":
                self.commits[service] += 1

    @asynccontextmanager
    async def handled(self) -> AsyncIterator[None]:
        """Wait at the end until all events that the order service logged meanwhile are handled."""
        before = await self._orders.fetchval("SELECT coalesce(max(id), 0) FROM event_log")
        begin = self._market.log_size()
        yield
        rows = await self._orders.fetch("SELECT event_id::text, topic FROM event_log WHERE id > $1", before)
        expected = sum(_DESTINATIONS[row["topic"]] for row in rows)
        ids = {row["event_id"] for row in rows}
        handled: set[tuple[str, str]] = set()

        def all_are() -> bool:
            nonlocal begin
            whole = _whole_lines(self._log, begin)
            begin += len(whole)
            for line in whole.splitlines():
                if b'"kind":"consume"' in line and (event := json.loads(line))["ids"]["event"] in ids:
                    handled.add((event["ids"]["event"], event["to"]))
                    self._last_trace = event["trace"].encode()
            return len(handled) == expected

        await until(all_are, f"{expected} deliveries of {len(rows)} events are logged", timeout=30)

    async def wait_until_recorded(self) -> None:
        """Wait until the interactions of the trace that was handled last are stored."""
        key, marked = trace_key(self._last_trace.decode()), b'"trace":"' + self._last_trace

        async def recorded() -> bool:
            logged = sum(marked in line for line in _whole_lines(self._log, 0).splitlines())
            rows = await self._traces.fetch("SELECT lines FROM trace_batches WHERE keys @> ARRAY[$1::bigint]", key)
            return logged == sum(zlib.decompress(row["lines"]).count(marked) for row in rows)

        await until(recorded, "interactions are stored")


def _whole_lines(path: Path, begin: int) -> bytes:
    with path.open("rb") as log:
        log.seek(begin)
        part = log.read()
    return part[: part.rfind(b"\n") + 1]
