"""A thousand events that cannot be applied among ten thousand that can."""

import random
from collections import Counter
from functools import partial

import msgspec
import pytest
from redis.asyncio import Redis

from nextbuy.contracts.admin import CreateNotification, NotificationCreated
from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import OrderCreated, OrderPaid
from nextbuy.contracts.product import RecordActivity, UpsertShop
from nextbuy.contracts.seller import SellerApproved
from nextbuy.contracts.values import Money, Nothing, new_id
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.dead_letters import replays
from nextbuy.kit.events.dead_letters.store import Filter
from nextbuy.kit.observability.telemetry import Journal
from tests.conftest import OpenDatabase
from tests.doubles import StubCalls
from tests.kafka.bus_probe import MakeWire
from tests.kafka.listener import Listener
from tests.kafka.test_model import SHOP, order
from tests.kit.events.sample import message
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
GOOD = 10_000
OF_A_KIND = 250
REFUSED = "refuse this one"


def good(place: int) -> Event:
    match place % 4:
        case 0:
            return order(units=1, amount=100)
        case 1:
            return SellerApproved(
                shop_id=new_id(), user_id=new_id(), shop_name="Clay", status="approved", shop_version=2
            )
        case _:
            return OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(100))


def bad(kind: int) -> BusMessage:
    event = order()
    match kind % 4:
        case 0:
            return BusMessage(OrderCreated.topic, "key", b"\xffno JSON %d" % random.getrandbits(64))
        case 1:
            return message(event, type="order.unheard-of")
        case 2:
            return message(event, data=msgspec.Raw(b'{"order_id": 7}'))
        case _:
            return message(msgspec.structs.replace(event, number=REFUSED))


async def test_the_good_are_applied_the_bad_are_kept_with_the_reason_and_replayed_once_it_is_mended(
    open_database: OpenDatabase, redis: Redis, journal: Journal, make_wire: MakeWire
) -> None:
    mended = False
    told: Counter[str] = Counter()

    def create_notification(call: CreateNotification) -> NotificationCreated:
        if REFUSED in call.message and not mended:
            raise Conflict("Nobody reads this.")
        told[call.kind] += 1
        return NotificationCreated(new_id())

    calls = StubCalls({CreateNotification: create_notification, UpsertShop: Nothing(), RecordActivity: Nothing()})
    listener = Listener(await open_database("kafka"), redis, calls, journal, make_wire())
    messages = [message(good(place)) for place in range(GOOD)] + [bad(place) for place in range(4 * OF_A_KIND)]
    random.shuffle(messages)
    async with listener.listening():
        await listener.publish(messages)
        await until(partial(_is, listener, GOOD + OF_A_KIND), "all that can be read is counted", within=60)
        await until(lambda: _no_lag(listener), "the lag is back to zero", within=30)
        reasons = await listener.database.fetch(
            "SELECT handler, substr(reason, 1, 34) AS reason, count(*) AS n FROM dead_letters GROUP BY 1, 2"
        )
        assert {(row["handler"], row["reason"]): row["n"] for row in reasons} == {
            ("", "UndecodableEvent: Invalid envelope"): OF_A_KIND,
            ("", "UndecodableEvent: Event type order"): OF_A_KIND,
            ("", "UndecodableEvent: Invalid data for"): OF_A_KIND,
            ("notify-admins", "conflict: Nobody reads this."): OF_A_KIND,
        }
        assert told == {"order-created": GOOD // 4}
        assert len({call.shop_id for call in calls.of_type(UpsertShop)}) == GOOD // 4

        mended = True
        async with listener.database.transaction() as tx:
            asked = await replays.request_replays(tx, "somebody", Filter())
        assert asked.total == 4 * OF_A_KIND

        async def finished() -> bool:
            run = await replays.get_replay(listener.database, asked.id)
            return run.finished_at is not None

        await until(finished, "all is replayed", within=30)
        run = await replays.get_replay(listener.database, asked.id)
        assert (run.done, run.failed) == (OF_A_KIND, 3 * OF_A_KIND)
    assert told == {"order-created": GOOD // 4 + OF_A_KIND}
    assert await listener.count("dead_letters WHERE status = 'waiting' AND handler = ''") == 3 * OF_A_KIND
    assert await _is(listener, GOOD + OF_A_KIND)


async def _is(listener: Listener, counted: int) -> bool:
    return bool(await listener.database.fetchval("SELECT sum(events) FROM daily_figures") == counted)


async def _no_lag(listener: Listener) -> bool:
    return await listener.lag() == 0
