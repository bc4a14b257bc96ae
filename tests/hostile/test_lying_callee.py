"""A lying callee has the effect of one that fails: the caller writes nothing more, and answers 502 `bad-answer`.

Each call of each service is lied about in an act that makes it, a public route or a job, on a real database.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from nextbuy.contracts.message import Call
from nextbuy.contracts.registry import CALLS
from nextbuy.contracts.simulator import RefundPayment
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc import calls
from tests.conftest import OpenDatabase
from tests.contracts.honest_replies import as_json, honest_pairs
from tests.contracts.lies import lies
from tests.contracts.possible_lies import entries
from tests.hostile.act_world import MakeAct, World
from tests.hostile.acts import ACTS
from tests.hostile.order_acts import refund_of_unmatched_payment
from tests.lying_callee import assert_no_lie_has_an_effect


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """A journal that is discarded; calls are tried once."""
    monkeypatch.setattr(calls, "_MAX_ATTEMPTS", 1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    yield Journal(nowhere)
    os.close(nowhere)


@pytest.mark.parametrize(
    ("call", "make"),
    [pytest.param(call, make, id=f"{service} {call.name}") for (service, call), make in ACTS.items()]
    + [pytest.param(RefundPayment, refund_of_unmatched_payment, id="order refund-payment of an unmatched payment")],
)
async def test_lie_has_the_effect_of_a_failed_call(
    call: type[Call[Any]],
    make: MakeAct,
    open_database: OpenDatabase,
    journal: Journal,
    caplog: pytest.LogCaptureFixture,
) -> None:
    act = await make(World(open_database, journal, call))

    lies_sent = await assert_no_lie_has_an_effect(act, caplog)

    assert lies_sent > 0


def test_each_call_of_each_service_is_lied_about() -> None:
    pairs = honest_pairs()
    # A call of a family belongs to the kafka service or to the gateway, which has no database.
    refutable = {
        call
        for call in CALLS
        if call.__bases__ == (Call,)
        and any(not entries(call, lie) for lie in lies(call.reply, as_json(pairs[call].reply)))
    }
    assert ACTS.keys() == {(name, call) for call in refutable for name in call.callers if name != "gateway"}
