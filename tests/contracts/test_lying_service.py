"""The lying service: a reply with any one field changed is refused, unless its every value is possible.

Each call has an honest pair of question and reply. From the reply's type follow the lies: a value beyond a bound, the
other sign, another id, currency, role, status or kind, a foreign URL, a longer or shorter list, an item twice.
"""

import json
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
from nextbuy.kit.wire import Request, Response
from tests.contracts.honest_replies import Pair, as_json, honest_pairs
from tests.contracts.lies import Lie, lies

PAIRS: Final = honest_pairs()
_POSSIBLE_BECAUSE: Final = {
    "only auth knows a person, and an account is known by its id": """
        Account.email Account.name GetAccounts:Account.role SetAccountStatus:Account.role
        """,
    "only auth knows its keys; a token signed with another one is refused": """
        PublicKeys.keys/shorter PublicKeys.keys/reversed PublicKey.kid PublicKey.pem
        """,
    "only seller knows its shops; the question names the shop or its seller, and never both": """
        Shop.name Shop.slug Shop.bio Shop.category Shop.version Seller.name Seller.email Seller.submitted_at
        ValidateShopOwner:Shop.id ValidateShopOwner:Shop.status DecideSeller:Shop.id ListSellers:Shop.id
        GetShops:Shop.status GetShops:Shop.seller_id
        """,
    "only product knows its products, and the question names no more than an id or a status": """
        Product.slug Product.title Product.description Product.category Product.stock Product.shop_id Product.picture
        Product.created_at Product.tags[] Product.tags/shorter Product.tags/reversed Product.tags/duplicated-item
        ListProducts:Product.id QuotedLine.title QuotedLine.shop_id Price.amount
        """,
    "only product knows its rules of moderation": """
        Moderation.score Moderation.decision Moderation.reasons/shorter Moderation.reasons/reversed
        Moderation.reasons/duplicated-item Finding.rule Finding.points Finding.field Finding.excerpt
        """,
    "only product knows whether units were sold": "StockReleased.outcome",
    "only the provider knows its ids and the paths of its pages, which are on the marketplace's origin": """
        PaymentOpened.payment_id PaymentOpened.url Refund.refund_id
        """,
    "a list in no particular order": """
        Accounts.accounts/reversed Accounts.missing/reversed Shops.shops/reversed Shops.missing/reversed
        EventsCompared.positions/reversed EventsCompared.gaps[]/reversed Gap.missing/reversed Gap.rejected/reversed
        LogListed.lost/reversed
        """,
    "a page or a part may be shorter than its limit, and its cursor is opaque": """
        Page.items/shorter Page.next_cursor EventsRead.events/shorter LogRead.events/shorter
        ParkedEventList.events/shorter ParkedEvents.events/shorter
        """,
    "only the publisher knows its event log; the question names topics, positions and ids": """
        LoggedEvent.position EventsRead.last LoggedEnvelope.position LogRead.last ParkedEvent.position
        ParkedEvent.reason ParkedEventRef.position ParkedEventRef.event_id ParkedEventRef.parked_at
        ListedEvents.event_ids[] ListedEvents.positions[] ListedEvents.event_ids/reversed LogListed.lists/reversed
        LogListed.lost/shorter ReadAuthEvents:Envelope.id ReadSellerEvents:Envelope.id ReadProductEvents:Envelope.id
        ReadOrderEvents:Envelope.id ReadAuthEvents:Envelope.key ReadSellerEvents:Envelope.key
        ReadProductEvents:Envelope.key ReadOrderEvents:Envelope.key ReadParkedEvents:Envelope.key
        """,
    "the reader decodes the event by the bounded type of its topic, and its trace decides nothing": """
        Envelope.data Envelope.time Envelope.schema_version Envelope.correlation_id Envelope.causation_id
        Envelope.traceparent
        """,
    "only the subscriber knows what it has applied": """
        Result.outcome Result.reason Result.errors[] Result.errors/shorter Result.errors/longer Result.errors/reversed
        Result.errors/duplicated-item EventsReceived.results/reversed EventsReceived.results[]/reversed
        EventsCompared.gaps/reversed EventsCompared.gaps[]/shorter EventsCompared.positions/shorter Gap.missing/shorter
        Gap.rejected/shorter RejectedEvent.reason SubscriptionPosition.subscription SubscriptionPosition.topic
        SubscriptionPosition.position SubscriptionPosition.event_id SubscriptionPosition.begins_at
        SubscriptionPosition.started_at
        """,
    "only the service knows its status, which people read and nothing acts on": """
        Backlog.waiting Backlog.oldest_s CacheCounts.hits CacheCounts.misses CacheCounts.errors
        BreakerStatus.callee BreakerStatus.state BreakerStatus.changed_at
        BreakerStatus.openings ServiceStatus.version ServiceStatus.outbox ServiceStatus.destinations
        ServiceStatus.dead_letters ServiceStatus.stuck ServiceStatus.stuck[] ServiceStatus.cache
        ServiceStatus.breakers/shorter ServiceStatus.breakers/reversed ServiceStatus.problems[]
        ServiceStatus.problems/shorter ServiceStatus.problems/reversed ServiceStatus.problems/duplicated-item
        """,
}
"""Fields whose every value within their bounds is possible, and changes of lists that are, by the reason."""
POSSIBLE: Final = {key: why for why, keys in _POSSIBLE_BECAUSE.items() for key in keys.split()}


class OneReply:
    """A transport to a service that answers every request with one reply."""

    def __init__(self, reply: object) -> None:
        self.body = json.dumps(reply).encode()

    async def deliver(self, _request: Request, _timeout: float) -> Response:
        return Response(200, self.body)

    async def close(self) -> None:
        pass


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


def entries(call: type[Call[Any]], lie: Lie) -> set[str]:
    """Return the entries of `POSSIBLE` that cover a lie."""
    if not lie.is_possible:
        return set()
    change = lie.owner if lie.kind == "other" else f"{lie.owner}/{lie.kind.replace(' ', '-')}"
    family = call if call.__bases__ == (Call,) else call.__base__
    assert family is not None
    return {change, f"{family.__name__}:{change}"} & POSSIBLE.keys()


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
            is_refused = await refused(call, pair, lie.reply, journal)
        if not is_refused and not entries(call, lie):
            believed.append(f"{lie} ({lie.owner})")
        if is_refused and not any(getattr(line, "field", "") and hasattr(line, "value") for line in caplog.records):
            unlogged.append(str(lie))
    assert (believed, unlogged) == ([], [])


async def test_every_entry_covers_a_lie_that_is_believed(journal: Journal) -> None:
    unused = set(POSSIBLE)
    for call in CALLS:
        for lie in lies(call.reply, as_json(PAIRS[call].reply)):
            covering = entries(call, lie) & unused
            if covering and not await refused(call, PAIRS[call], lie.reply, journal):
                unused -= covering
    assert unused == set()
