"""Many events that cannot be applied among ten times as many that can."""

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
from tests.kafka.bus_probe import MakeProbe
from tests.kafka.sample_events import EVENTS_IN_LARGE_TESTS, SHOP, order
from tests.kafka.service_harness import ServiceHarness
from tests.kit.events.sample import message
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)
VALID = EVENTS_IN_LARGE_TESTS
POISON_OF_EACH_KIND = VALID // 40
REFUSED = "refuse this one"


def valid_event(index: int) -> Event:
    match index % 4:
        case 0:
            return order(units=1, amount=100)
        case 1:
            return SellerApproved(
                shop_id=new_id(), user_id=new_id(), shop_name="Clay", status="approved", shop_version=2
            )
        case _:
            return OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=SHOP, total=Money(100))


def poison(kind: int) -> BusMessage:
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


@pytest.mark.scaled
async def test_poison_is_dead_lettered_by_reason_and_replayed_after_the_fix(
    open_database: OpenDatabase, redis: Redis, journal: Journal, make_probe: MakeProbe
) -> None:
    fixed = False
    notified: Counter[str] = Counter()

    def create_notification(call: CreateNotification) -> NotificationCreated:
        if REFUSED in call.message and not fixed:
            raise Conflict("Refused for this test.")
        notified[call.kind] += 1
        return NotificationCreated(new_id())

    calls = StubCalls({CreateNotification: create_notification, UpsertShop: Nothing(), RecordActivity: Nothing()})
    harness = ServiceHarness(await open_database("kafka"), redis, calls, journal, make_probe())
    messages = [message(valid_event(index)) for index in range(VALID)]
    messages += [poison(kind) for kind in range(4 * POISON_OF_EACH_KIND)]
    random.shuffle(messages)
    async with harness.consuming():
        await harness.publish(messages)
        await until(
            partial(_counted, harness, VALID + POISON_OF_EACH_KIND), "all decodable events are counted", timeout=120
        )
        await until(harness.is_done, "all events are acknowledged", timeout=60)
        reasons = await harness.database.fetch(
            "SELECT handler, substr(reason, 1, 34) AS reason, count(*) AS n FROM dead_letters GROUP BY 1, 2"
        )
        assert {(row["handler"], row["reason"]): row["n"] for row in reasons} == {
            ("", "UndecodableEvent: Invalid envelope"): POISON_OF_EACH_KIND,
            ("", "UndecodableEvent: Event type order"): POISON_OF_EACH_KIND,
            ("", "UndecodableEvent: Invalid data for"): POISON_OF_EACH_KIND,
            ("notify-admins", "conflict: Refused for this test."): POISON_OF_EACH_KIND,
        }
        assert notified == {"order-created": VALID // 4}
        assert len({call.shop_id for call in calls.of_type(UpsertShop)}) == VALID // 4

        fixed = True
        async with harness.database.transaction() as tx:
            run = await replays.request_replays(tx, "operator", Filter())
        assert run.total == 4 * POISON_OF_EACH_KIND

        async def finished() -> bool:
            return (await replays.get_replay(harness.database, run.id)).finished_at is not None

        await until(finished, "the replay has finished", timeout=60)
        run = await replays.get_replay(harness.database, run.id)
        assert (run.done, run.failed) == (POISON_OF_EACH_KIND, 3 * POISON_OF_EACH_KIND)
    assert notified == {"order-created": VALID // 4 + POISON_OF_EACH_KIND}
    assert await harness.count("dead_letters WHERE status = 'waiting' AND handler = ''") == 3 * POISON_OF_EACH_KIND
    assert await _counted(harness, VALID + POISON_OF_EACH_KIND)


async def _counted(harness: ServiceHarness, events: int) -> bool:
    return bool(await harness.database.fetchval("SELECT sum(events) FROM daily_figures") == events)
