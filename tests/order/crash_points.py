"""A process that dies at a chosen step: before or after any statement, commit or call."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from nextbuy.contracts.message import Call
from nextbuy.kit.storage.database import Database, Row, Transaction


class Crash(BaseException):
    """The death of the process: no `except Exception` runs."""


class CrashPoints:
    """Counts steps and raises `Crash` at one, and at every step after it."""

    def __init__(self) -> None:
        self.crash_at: int | None = None
        self.steps = 0

    def reset(self, crash_at: int | None) -> None:
        """Count from zero and crash at a step, or never."""
        self.crash_at, self.steps = crash_at, 0

    def step(self) -> None:
        """Count a step, or crash."""
        if self.crash_at is not None and self.steps >= self.crash_at:
            raise Crash
        self.steps += 1

    def around_call(self, _call: Call[Any]) -> Callable[[], None]:
        """Count a step before the effect of a call, and one after it."""
        self.step()
        return self.step


class CrashingDatabase(Database):
    """A database whose client may die before or after each single statement and each commit."""

    def __init__(self, database: Database, points: CrashPoints) -> None:
        super().__init__(database._pool, database.service)
        self._points = points

    async def _run(self, statement: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        self._points.step()
        result = await statement()
        self._points.step()
        return result

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Count a step before the transaction, before its commit, and after it."""
        self._points.step()
        async with super().transaction() as tx:
            yield tx
            self._points.step()
        self._points.step()

    async def execute(self, sql: str, *values: object) -> str:
        result: str = await self._run(lambda: Database.execute(self, sql, *values))
        return result

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        result: list[Row] = await self._run(lambda: Database.fetch(self, sql, *values))
        return result

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        result: Row | None = await self._run(lambda: Database.fetchrow(self, sql, *values))
        return result

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401
        return await self._run(lambda: Database.fetchval(self, sql, *values))
