"""A process that dies at a step of one's choosing: before or after any statement, commit or call."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from nextbuy.contracts.message import Call
from nextbuy.kit.storage.database import Database, Row, Transaction


class Crash(BaseException):
    """The process is gone; no `except Exception` is run any more."""


class Fate:
    """Counts steps, and lets the process die at one; what is dead stays dead."""

    def __init__(self) -> None:
        self.dies_at: int | None = None
        self.steps = 0

    def live_until(self, step: int | None) -> None:
        """Begin anew, to die at a step, or not at all."""
        self.dies_at, self.steps = step, 0

    def step(self) -> None:
        """Do one more step."""
        if self.dies_at is not None and self.steps >= self.dies_at:
            raise Crash
        self.steps += 1

    def around(self, _call: Call[Any]) -> Callable[[], None]:
        """Stand before and after a call's effect."""
        self.step()
        return self.step


class MortalDatabase(Database):
    """A database whose client may die before or after each statement that stands alone, and each commit."""

    def __init__(self, database: Database, fate: Fate) -> None:
        super().__init__(database._pool, database.service)
        self._fate = fate

    async def _do(self, act: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401
        self._fate.step()
        result = await act()
        self._fate.step()
        return result

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Die before the begin, before the commit, or after it."""
        self._fate.step()
        async with super().transaction() as tx:
            yield tx
            self._fate.step()
        self._fate.step()

    async def execute(self, sql: str, *values: object) -> str:
        result: str = await self._do(lambda: Database.execute(self, sql, *values))
        return result

    async def fetch(self, sql: str, *values: object) -> list[Row]:
        result: list[Row] = await self._do(lambda: Database.fetch(self, sql, *values))
        return result

    async def fetchrow(self, sql: str, *values: object) -> Row | None:
        result: Row | None = await self._do(lambda: Database.fetchrow(self, sql, *values))
        return result

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401
        return await self._do(lambda: Database.fetchval(self, sql, *values))
