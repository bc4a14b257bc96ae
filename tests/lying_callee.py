"""A callee that lies to a real use case or job, and the rows that the caller writes meanwhile."""

import logging
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, BadGateway, Problem
from nextbuy.contracts.message import Call, Check, Reply, Send
from nextbuy.kit.http.app import App
from nextbuy.kit.http.tokens import Identity, TokenVerifier
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breaker import BreakerPolicy
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.service import Service
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import PROBLEM, Request, Response
from tests.callers import GATEWAY, caller
from tests.contracts.honest_replies import as_json
from tests.contracts.lies import Lie, lies
from tests.contracts.possible_lies import entries
from tests.doubles import OneReply

_SECRET: Final = b"a secret of sixteen bytes or more"
_VARIES: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}|\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|\+[\d:]+)?"
    r"|(?<=daily-figures/)\d+"
)
"""Ids, spans, times and generations, which differ between two runs of the same act."""
_SPREAD: Final = "projection_counts"
"""A table whose rows are sums over random shards, of the same events as the inbox."""
_NUMBERED: Final = re.compile(r'("(?:id|bucket|serial|generation|newest|building|obsolete)": )\d+')
"""Positions in an event log, and other numbers that rise."""


class LyingCallee:
    """The services behind a caller. One of their calls is answered with a lie, or fails, while a test sets it."""

    def __init__(self, honest: Send, call: type[Call[Any]], journal: Journal) -> None:
        """Answer as `honest` does, apart from `call`."""
        self._honest = honest
        self._journal = journal
        self.call = call
        self.lie: Lie | None = None
        self.fails = False
        self.answered: list[Any] = []
        """The honest replies to the call, as JSON values."""
        self.counted = 0
        """Lies that the caller's breaker has counted as failures."""

    async def send(self, call: Call[Reply], check: Check[Reply] | None = None) -> Reply:
        """Answer a call of the caller under test."""
        if type(call) is not self.call:
            return await self._honest(call, check)
        if self.fails:
            raise BadGateway(f"The {call.to} service sent an invalid reply. Try again later.")
        honest = as_json(await self._honest(call))
        self.answered.append(honest)
        reply = honest if self.lie is None else self.lie.about(honest)
        breakers = Breakers("caller", [call.to], time.monotonic, BreakerPolicy(consecutive_failures=1), logged=False)
        identity = ServiceIdentity(_SECRET, "caller")
        try:
            return await Calls(identity, {call.to: OneReply(reply)}, self._journal, breakers=breakers).send(call, check)
        finally:
            self.counted += breakers.of(call.to).state == "open"


async def _nothing() -> None:
    """Prepare nothing."""


@dataclass(kw_only=True)
class Act:
    """Something that a person or a job does, which makes the call that is lied about."""

    callee: LyingCallee
    database: Database
    run: Callable[[], Awaitable[Response | None]]
    prepare: Callable[[], Awaitable[object]] = _nothing


class _Verifier(TokenVerifier):
    """A verifier that accepts the token of one account."""

    def __init__(self, who: Account) -> None:
        super().__init__(self._no_keys)
        self._who = who

    async def _no_keys(self) -> dict[str, str]:
        return {}

    async def verify_first(self, tokens: Sequence[str]) -> tuple[str, Identity]:
        assert tokens == [caller(self._who).token]
        return tokens[0], Identity(self._who.id, self._who.role, self._who.id, time.time() + 60)


class _HasDatabase(Protocol):
    @property
    def database(self) -> Database: ...


def request(
    service: Service,
    deps: _HasDatabase,
    who: Account,
    method: str,
    path: str,
    body: object = None,
) -> Callable[[], Awaitable[Response]]:
    """Return a function that sends a request of an account to a service, as the gateway does."""
    app: App[Any] = App(
        service,
        deps,
        identity=ServiceIdentity(_SECRET, service.name),
        verifier=_Verifier(who),
        database=deps.database,
    )
    headers = {"authorization": f"Bearer {caller(who).token}", "content-type": "application/json"}
    encoded = b"" if body is None else msgspec.json.encode(body)

    async def send() -> Response:
        return await app.handle(Request(method, f"/{service.name}/api/{path}", "", headers, encoded, sender=GATEWAY))

    return send


def job(act: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """Return a function that runs a job."""

    async def run() -> None:
        await act()

    return run


async def rows_of(database: Database) -> Counter[str]:
    """Return all rows of all tables as text."""
    names = await database.fetch("SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'public' ORDER BY relname")
    rows: Counter[str] = Counter()
    for name in [row["relname"] for row in names if row["relname"] != _SPREAD]:
        for (row,) in await database.fetch(f'SELECT to_jsonb("{name}") FROM "{name}"'):
            rows[f"{name} {row}"] += 1
    return rows


async def _change(act: Act) -> tuple[Counter[str], Counter[str], Response | AppError | None]:
    """Run the act; return the rows that it removed and added, apart from ids and times, and its result."""
    before = await rows_of(act.database)
    result: Response | AppError | None
    try:
        result = await act.run()
    except AppError as error:
        result = error
    after = await rows_of(act.database)
    return _alike(before - after), _alike(after - before), result


def _alike(rows: Counter[str]) -> Counter[str]:
    return Counter(_NUMBERED.sub(r"\1", _VARIES.sub("…", row)) for row in rows.elements())


async def assert_no_lie_has_an_effect(act: Act, caplog: pytest.LogCaptureFixture) -> int:
    """Check that each lie leaves what a failed call leaves, and is reported; return the number of lies."""
    callee = act.callee
    await act.prepare()
    *_, result = await _change(act)
    assert callee.answered, f"the act never makes the call {callee.call.name}"
    assert not isinstance(result, AppError)
    assert result is None or result.status < 300, result.body
    honest = max(callee.answered, key=lambda reply: len(str(reply)))

    await act.prepare()
    callee.fails = True
    *failed, refused = await _change(act)
    callee.fails = False

    lies_sent = 0
    for lie in lies(callee.call.reply, honest):
        if entries(callee.call, lie):
            continue
        await act.prepare()
        caplog.clear()
        callee.lie, callee.counted = lie, 0
        with caplog.at_level(logging.WARNING):
            *left, result = await _change(act)
        callee.lie = None
        for rows, expected in zip(left, failed, strict=True):
            assert rows == expected, f"{lie}: {rows - expected} instead of {expected - rows}"
        assert callee.counted == 1, f"{lie}: not counted by the breaker"
        assert any(getattr(line, "field", "") and hasattr(line, "value") for line in caplog.records), f"{lie}: no field"
        _assert_same_answer(lie, result, refused)
        lies_sent += 1
    return lies_sent


def _assert_same_answer(lie: Lie, result: object, refused: object) -> None:
    if isinstance(refused, Response):
        assert isinstance(result, Response)
        if refused.status == 200:
            assert (result.status, _alike(Counter([str(result.body)]))) == (200, _alike(Counter([str(refused.body)])))
            return
        assert (result.status, result.content_type) == (502, PROBLEM), f"{lie}: {result.body!r}"
        assert msgspec.json.decode(result.body, type=Problem).slug == "bad-answer"
    else:
        assert type(result) is type(refused), f"{lie}: {result!r}"
