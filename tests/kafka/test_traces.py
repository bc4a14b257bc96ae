"""Interactions are stored once, found by any id, and deleted in order of their importance."""

import zlib
from collections.abc import Sequence

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.auth import ValidateAdmin
from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.traces import Importance, StoreInteractions, TraceBatch, request_key, trace_key
from nextbuy.contracts.values import Role, new_id
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.traces.purge_traces import purge_traces
from nextbuy.kafka.traces.store import find_batches, stored_bytes
from nextbuy.kafka.traces.store_interactions import store_interactions
from nextbuy.kafka.traces.story import find_story
from nextbuy.kafka.traces.traces import TraceRequest, traces
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.observability.interaction import InteractionLine, Kind
from nextbuy.kit.observability.recorder import TraceRecorder
from nextbuy.kit.storage.database import Database
from tests.callers import account, caller, confirm
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.sample_deps import sample_deps

ADMIN = caller(account(Role.ADMIN))


@pytest.fixture
async def deps(open_database: OpenDatabase, redis: Redis) -> Deps:
    """The kafka service with an empty store."""
    calls = StubCalls({ValidateAdmin: confirm})
    return sample_deps(await open_database("kafka"), calls, RedisBus(redis), [])


class _Store:
    """A client that stores what a recorder sends."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def store_interactions(self, batches: Sequence[TraceBatch]) -> None:
        await store_interactions(self._deps, StoreInteractions(batches=list(batches)))


def line(  # noqa: PLR0913
    trace: str,
    name: str,
    *,
    at: float = 1.0,
    kind: Kind = "call",
    caller: str = "seller",
    callee: str = "auth",
    ids: dict[str, object] | None = None,
    links: tuple[str, ...] = (),
    ms: float = 1.0,
    outcome: str = "ok",
    status: int = 0,
) -> InteractionLine:
    return InteractionLine(
        at=at,
        kind=kind,
        name=name,
        ms=ms,
        trace_id=trace * 32,
        span_id="b" * 16,
        caller=caller,
        callee=callee,
        outcome=outcome,
        status=status,
        ids=ids or msgspec.UNSET,
        links=tuple(link * 32 for link in links) or msgspec.UNSET,
    )


async def store(deps: Deps, *lines: InteractionLine, sampled: bool = True) -> None:
    """Store interactions as one process does."""
    recorder = TraceRecorder(_Store(deps))  # type: ignore[arg-type]
    for one in lines:
        recorder.record(one, msgspec.json.encode(one), sampled=sampled)
    assert await recorder.flush()


async def names(deps: Deps, id_text: str) -> list[str]:
    return [one.name for one in await find_story(deps.database, id_text)]


async def test_story_is_followed_from_order_to_session_to_payment_and_back(deps: Deps) -> None:
    await store(deps, line("1", "create", at=1, ids={"session": "s-1", "product": "p-1"}), line("1", "gateway", at=2))
    await store(
        deps, line("2", "pay", at=3, ids={"payment": "pay_1"}), line("9", "pay other", ids={"payment": "pay_9"})
    )
    await store(deps, line("3", "webhook", at=4, ids={"payment": "pay_1", "session": "s-1"}))
    await store(deps, line("4", "order", at=5, ids={"session": "s-1", "order": ["o-1", "o-2"], "number": "NB-1"}))
    story = ["create", "gateway", "pay", "webhook", "order"]
    await store(deps, line("4", "mail", at=6, kind="step", ids={"session": "s-1", "mail": "m-1"}))
    story.append("mail")

    for id_text in ("NB-1", "nb-1", " #NB-1 ", "o-2", "s-1", "pay_1", "m-1", "1" * 32, "2" * 32, "4" * 32):
        assert await names(deps, id_text) == story, id_text
    assert await names(deps, "pay_9") == ["pay other"]


async def test_order_of_equal_times_does_not_depend_on_the_id(deps: Deps) -> None:
    ids: dict[str, object] = {"session": "s-1"}
    for event in ("e-2", "e-1"):
        await store(deps, line(event[-1], event, kind="publish", ids=ids | {"event": event}))
    await store(deps, line("3", "hold", ids=ids))

    for id_text in ("s-1", "e-1", "e-2", "1" * 32, "2" * 32):
        assert await names(deps, id_text) == ["hold", "e-1", "e-2"], id_text
    assert await names(deps, " # ") == []


async def test_product_has_its_own_calls_and_events_and_no_purchase(deps: Deps) -> None:
    await store(deps, line("1", "create-product", at=1), line("1", "serve", at=2, ids={"product": "p-1"}))
    await store(deps, line("1", "product.created", at=3, kind="publish", ids={"event": "e-1", "product": "p-1"}))
    await store(deps, line("2", "hold", at=4, ids={"product": "p-1", "session": "s-1"}), line("2", "pay", at=5))

    assert await names(deps, "p-1") == ["create-product", "serve", "product.created", "hold"]


async def test_batch_is_part_of_each_story_and_leads_to_no_other(deps: Deps) -> None:
    await store(deps, line("1", "first", at=1, ids={"session": "s-1"}))
    await store(deps, line("2", "second", at=0.5, ids={"session": "s-2"}))
    await store(deps, line("b", "get-accounts", at=2, links=("1", "2")), line("b", "serve get-accounts", at=3))

    assert await names(deps, "s-1") == ["first", "get-accounts", "serve get-accounts"]
    assert await names(deps, "b" * 32) == ["second", "first", "get-accounts", "serve get-accounts"]


async def test_line_about_several_checkouts_joins_none(deps: Deps) -> None:
    await store(deps, line("1", "one", at=1, ids={"session": "s-1"}), line("2", "two", ids={"session": "s-2"}))
    await store(deps, line("3", "verify-history", at=9, ids={"session": ["s-1", "s-2"]}))

    assert await names(deps, "s-1") == ["one", "verify-history"]


async def test_request_that_reached_no_service_is_found_by_its_path(deps: Deps) -> None:
    refused = line("1", "GET /order/api/order-details/01a22377-0e8c-77b1-ac66-9084a6784c83", kind="request", status=503)

    await store(deps, refused)

    assert await names(deps, "01A22377-0e8c-77b1-ac66-9084a6784c83") == [refused.name]


@pytest.mark.parametrize("wanted", ["NB-1", "order-1"])
async def test_stranger_cannot_hide_the_story_of_an_order(deps: Deps, wanted: str) -> None:
    """Request ids and paths are the client's choice; thousands of refused requests may name an order in them."""
    created = line("a", "order.created", kind="publish", ids={"order": ["order-1"], "number": ["NB-1"]})
    await store(deps, created)
    for part in range(4):
        flood = [
            line(f"{part * 700 + n:x}"[-1], f"GET /order/api/order-details/{wanted}?{n}", kind="request", status=404)
            for n in range(700)
        ]
        for n, one in enumerate(flood):
            one.at, one.trace_id, one.correlation_id = 2.0 + n, f"{part * 700 + n:032x}", wanted
        await store(deps, *flood, sampled=False)

    names = [one.name for one in await find_story(deps.database, wanted)]

    assert "order.created" in names


async def test_reads_and_refused_requests_are_shown_but_not_followed(deps: Deps) -> None:
    await store(
        deps, line("1", "order.created", kind="publish", ids={"order": "o-1", "number": "NB-1", "event": "e-1"})
    )
    await store(
        deps, line("2", "order.created", kind="publish", ids={"order": "o-2", "number": "NB-2", "event": "e-2"})
    )
    for status in (401, 200):
        untrusted = [
            line("3", "GET order-details", kind="serve", caller="", status=status, ids={"order": f"o-{number}"})
            for number in (1, 2)
        ]
        await store(deps, *untrusted, line("3", "POST shop", kind="request", caller="", callee=""))

    for wanted in ("o-1", "NB-1"):
        found = await find_story(deps.database, wanted)
        assert {one.trace_id[0] for one in found} == {"1", "3"}
        assert {some for one in found for some in one.ids["order"]} == {"o-1"}


async def test_request_id_of_a_client_never_counts_as_an_id_of_the_marketplace(deps: Deps) -> None:
    await store(deps, line("1", "order.created", kind="publish", ids={"order": "o-1", "number": "NB-1"}))
    marked = line("2", "POST /order/api/create-payment-session", kind="request", caller="", callee="")
    marked.correlation_id = "NB-1"
    await store(deps, marked)

    assert await names(deps, "NB-1") == ["order.created"]
    assert len(await find_batches(deps.database, [request_key("NB-1")], [], 10)) == 1
    assert len(await find_batches(deps.database, [trace_key("NB-1")], [], 10)) == 1


@pytest.mark.parametrize("wanted", ["4EBEB56E-0000-4000-8000-00000000000A", "nb-shop-77", "my request"])
async def test_request_id_is_found_as_the_client_wrote_it(deps: Deps, wanted: str) -> None:
    request = line("c", "GET /product/api/get-all-products", kind="request", caller="client", callee="gateway")
    request.correlation_id = wanted
    await store(deps, request)

    assert [one.name for one in await find_story(deps.database, wanted)] == [request.name]


async def test_id_that_is_no_text_is_unknown(deps: Deps) -> None:
    assert await find_story(deps.database, "\udcff\udcfe") == []


async def test_batch_that_is_sent_twice_is_stored_once(deps: Deps) -> None:
    batch = TraceBatch(new_id(), Importance.PURCHASE, [trace_key("s-1"), trace_key("x")], zlib.compress(b"{}"))
    other = TraceBatch(new_id(), Importance.ROUTINE, [trace_key("s-2")], zlib.compress(b"[]"))

    for _ in range(2):
        await store_interactions(deps, StoreInteractions(batches=[batch, other]))

    assert [row["id"] for row in await find_batches(deps.database, [trace_key("x")], [], 10)] == [batch.id]
    assert [row["id"] for row in await find_batches(deps.database, [trace_key("s-2")], [], 10)] == [other.id]


async def age(database: Database, id_text: str, days: float) -> None:
    await database.execute(
        "UPDATE trace_batches SET stored_at = stored_at - $2 * interval '1 day' WHERE keys @> ARRAY[$1::bigint]",
        trace_key(id_text),
        days,
    )


async def test_purge_deletes_what_is_too_old(deps: Deps) -> None:
    await store(deps, line("1", "old purchase", ids={"session": "s-1"}))
    await store(deps, line("2", "new", ids={"session": "s-2"}))
    await age(deps.database, "s-1", 7.1)
    await age(deps.database, "s-2", 6.9)

    assert not await purge_traces(deps)

    assert (await names(deps, "s-1"), await names(deps, "s-2")) == ([], ["new"])
    with pytest.raises(NotFound):
        await traces(deps, ADMIN, TraceRequest("s-1"))


async def test_purge_makes_room_by_age_and_spares_purchases_then_failures(deps: Deps) -> None:
    await store(deps, line("1", "purchase", ids={"session": "s-1"}))
    await store(deps, line("2", "failure", outcome="unavailable", status=503))
    await store(deps, line("3", "slow", ms=2_000))
    await store(deps, line("4", "old routine"))
    await store(deps, line("5", "new routine"))
    alive = ["4", "5", "2", "3"]
    for deleted in range(1, 5):
        bound = await stored_bytes(deps.database) - 1
        limited = msgspec.structs.replace(deps.settings, trace_bytes=bound)

        await purge_traces(Deps(**{**vars(deps), "settings": limited}))

        assert [bool(await names(deps, trace * 32)) for trace in alive] == [n >= deleted for n in range(4)]
    assert await names(deps, "s-1") == ["purchase"]


async def test_reply_has_one_item_per_subscription(deps: Deps) -> None:
    consumed = line("1", "order.created", kind="consume", caller="", callee="analytics", ids={"order": "o-1"})
    consumed.subscriptions = ["figures", "best-sellers"]
    await store(deps, consumed)

    items = (await traces(deps, ADMIN, TraceRequest("o-1"))).items

    assert [(one.service, one.subscription, one.outcome) for one in items] == [
        ("analytics", "figures", "applied"), ("analytics", "best-sellers", "applied")
    ]  # fmt: skip
