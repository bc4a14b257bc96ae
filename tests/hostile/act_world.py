"""The parts that an act needs: people, databases, and the services behind the caller."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from nextbuy.contracts.auth import ValidateAdmin, ValidateSeller, ValidateUser
from nextbuy.contracts.message import Call
from nextbuy.contracts.values import Role
from nextbuy.kit.observability.telemetry import Journal
from tests.callers import account, confirm
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.lying_callee import Act, LyingCallee

ADMIN: Final = account(Role.ADMIN)
SELLER: Final = account(Role.SELLER)
BUYER: Final = account(Role.BUYER)


@dataclass
class World:
    """The call that is lied about, and the parts that an act needs."""

    open_database: OpenDatabase
    journal: Journal
    call: type[Call[Any]]

    def callee(self, replies: StubCalls | dict[type[Call[Any]], object]) -> LyingCallee:
        """Return the services behind the caller; `replies` are the honest ones."""
        honest = replies if isinstance(replies, StubCalls) else StubCalls({**CONFIRMED, **replies})
        return LyingCallee(honest, self.call, self.journal)


CONFIRMED: Final = {ValidateUser: confirm, ValidateSeller: confirm, ValidateAdmin: confirm}

MakeAct = Callable[[World], Awaitable[Act]]
