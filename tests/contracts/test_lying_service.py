"""The lying service: a reply with any one field changed is refused, unless its every value is possible.

Each call has an honest pair of question and reply. From the reply's type follow the lies: a value beyond a bound, the
other sign, another id, currency, role, status or kind, a foreign URL, a longer or shorter list, an item twice.
"""

import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Final

import pytest

from nextbuy.contracts.errors import BadGateway
from nextbuy.contracts.message import Call
from nextbuy.contracts.registry import CALLS
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc import calls
from nextbuy.kit.rpc.breaker import BreakerPolicy
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.calls import Calls
from nextbuy.kit.service_identity import ServiceIdentity
from tests.contracts.honest_replies import Pair, as_json, honest_pairs
from tests.contracts.lies import Lie, lies
from tests.contracts.possible_lies import POSSIBLE, entries
from tests.doubles import OneReply

PAIRS: Final = honest_pairs()


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """A journal that is discarded; calls are tried once."""
    monkeypatch.setattr(calls, "_MAX_ATTEMPTS", 1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    yield Journal(nowhere)
    os.close(nowhere)


async def refused(call: type[Call[Any]], pair: Pair, reply: object, journal: Journal) -> bool:
    """Return whether a reply is refused as a bad answer; the breaker must count it if, and only if, it is."""
    breakers = Breakers("caller", [call.to], time.monotonic, BreakerPolicy(consecutive_failures=1), logged=False)
    sender = Calls(
        ServiceIdentity(b"a secret of sixteen bytes or more", "caller"),
        {call.to: OneReply(reply)},
        journal,
        breakers=breakers,
    )
    try:
        await pair.ask(sender.send)
    except BadGateway as error:
        return error.slug == "bad-answer" and breakers.of(call.to).state == "open"
    assert breakers.of(call.to).state == "closed"
    return False


def names_field(line: logging.LogRecord, lie: Lie) -> bool:
    """Return whether a line of the log has a field and a value; beyond a bound, the field or its parent."""
    field = getattr(line, "field", "")
    if not field or not hasattr(line, "value"):
        return False
    return lie.is_possible or lie.path.startswith(field.partition("[...]")[0])


def test_every_call_has_an_honest_pair() -> None:
    assert set(PAIRS) == set(CALLS)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.to}.{call.name}")
async def test_every_lie_is_refused(call: type[Call[Any]], journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    pair = PAIRS[call]
    honest = as_json(pair.reply)
    assert not await refused(call, pair, honest, journal)
    believed, unlogged = [], []
    for lie in lies(call.reply, honest):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            is_refused = await refused(call, pair, lie.about(honest), journal)
        if not is_refused and not entries(call, lie):
            believed.append(f"{lie} ({lie.owner})")
        if is_refused and not any(names_field(line, lie) for line in caplog.records):
            unlogged.append(f"{lie}: {[vars(line).get('field') for line in caplog.records]}")
    assert (believed, unlogged) == ([], [])


async def test_every_entry_covers_a_lie_that_is_believed(journal: Journal) -> None:
    unused = set(POSSIBLE)
    for call in CALLS:
        honest = as_json(PAIRS[call].reply)
        for lie in lies(call.reply, honest):
            covering = entries(call, lie) & unused
            if covering and not await refused(call, PAIRS[call], lie.about(honest), journal):
                unused -= covering
    assert unused == set()
