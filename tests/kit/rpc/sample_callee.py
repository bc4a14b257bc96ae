"""A sample callee, and the calls to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec import Struct

from nextbuy.contracts.message import Call
from nextbuy.kit.http.app import App
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.rpc.transports import LocalTransport, Transport
from nextbuy.kit.service import Service, answers
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import Handler
from tests.log_lines import decode_line

SECRET = b"a secret of sixteen bytes or more"


class Echoed(Struct, frozen=True):
    word: str


class Ask(Call[Echoed], to="callee", name="ask", callers=("caller",), idempotent=True):
    word: str


class Spend(Call[Echoed], to="callee", name="spend", callers=("caller",), idempotent=False):
    word: str


@dataclass
class Callee:
    """A callee that runs `act` for each call and counts them."""

    act: Callable[[Any], Any]
    count: int = 0

    async def handle(self, call: Any) -> Echoed:  # noqa: ANN401
        self.count += 1
        result = self.act(call)
        if hasattr(result, "__await__"):
            await result
        return Echoed(call.word)


async def _act(deps: Callee, call: Ask | Spend) -> Echoed:
    return await deps.handle(call)


SERVICE = Service(name="callee", deps=Callee, calls=[answers(Ask, _act), answers(Spend, _act)])


class Lines:
    """The lines of a journal."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self.path = path
        self.journal = journal

    def __call__(self) -> list[dict[str, Any]]:
        return [decode_line(line) for line in self.path.read_text(encoding="utf-8").splitlines()]


def breakers_of(now: Callable[[], float] = time.monotonic) -> Breakers:
    return Breakers("caller", ["callee"], now)


def calls_to(
    handler: Handler | None,
    journal: Journal,
    *,
    caller: str = "caller",
    breakers: Breakers | None = None,
    record_success: bool = True,
    transport: Transport | None = None,
) -> Calls:
    transports: dict[str, Transport] = {"callee": transport or LocalTransport("callee", lambda: handler)}
    return Calls(
        ServiceIdentity(SECRET, caller),
        transports,
        journal,
        breakers=breakers or breakers_of(time.monotonic),
        record_success=record_success,
    )


def app(callee: Callee) -> Handler:
    return App(SERVICE, callee, identity=ServiceIdentity(SECRET, "callee")).handle
