"""An honest pair of question and reply for every call."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from nextbuy.contracts import auth, delivery, order, product, seller, simulator
from nextbuy.contracts.auth import (
    Accounts,
    AuthClient,
    ChangedAccount,
    FoundAccount,
    FoundAccounts,
    IssuedLink,
    IssuedLinks,
    PublicKey,
    PublicKeys,
)
from nextbuy.contracts.comparison import (
    ComparedEvents,
    ComparisonClient,
    EventsCompared,
    EventSelection,
    Gap,
    ListedEvents,
    LogCursor,
    LoggedEnvelope,
    LogListed,
    LogRead,
    RejectedEvent,
    SubscriptionEvent,
    SubscriptionPosition,
    list_logged_events_of,
    missing_events_of,
    read_logged_events_of,
)
from nextbuy.contracts.delivery import DeliveryClient, EventEntry, EventsReceived, Outcome, Result
from nextbuy.contracts.message import Call, Envelope, EventsRead, LoggedEvent, Send
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.parking import (
    ParkedEvent,
    ParkedEventList,
    ParkedEventRef,
    ParkedEvents,
    ParkingClient,
    list_parked_events_of,
    read_parked_events_of,
    replay_parked_events_of,
)
from nextbuy.contracts.product import (
    Finding,
    Line,
    Moderation,
    Product,
    ProductClient,
    ProductsValidated,
    QuotedLine,
    StockReleased,
)
from nextbuy.contracts.product_offers import GetOffers, Offers, ProductOffer
from nextbuy.contracts.registry import PUBLISHERS, SERVICES, SUBSCRIBERS
from nextbuy.contracts.seller import AccountStatusApplied, Seller, SellerClient, Shop, Shops
from nextbuy.contracts.simulator import PaymentClosed, PaymentOpened, Refund
from nextbuy.contracts.status import Backlog, BreakerStatus, CacheCounts, ServiceStatus, StatusClient, get_status_of
from nextbuy.contracts.traces import StoreInteractions, TracesClient
from nextbuy.contracts.values import Money, Nothing, Page, Price, Role, new_id
from nextbuy.order.payments import SimulatorPayments
from tests.callers import account, caller

PUBLIC_URL: Final = "http://shop.test:8080"
NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER: Final = NOW + timedelta(minutes=1)
TOPIC: Final = "order.created"


class Pair(NamedTuple):
    """A question, and an honest reply to it."""

    ask: Callable[[Send], Awaitable[object]]
    reply: Struct


def as_json(value: Any) -> Any:  # noqa: ANN401  any part of a reply
    """Return a reply as JSON values, with the fields that are at their defaults."""
    match value:
        case Struct():
            return {name: as_json(getattr(value, name)) for name in value.__struct_fields__}
        case Raw():
            return msgspec.json.decode(value)
        case list():
            return [as_json(one) for one in value]
        case dict():
            return {name: as_json(one) for name, one in value.items()}
    return msgspec.to_builtins(value)


def envelope(source: str, event_id: UUID) -> Envelope:
    """Return the envelope of an event that `source` published."""
    return Envelope(
        id=event_id,
        type=TOPIC,
        source=source,
        time=NOW,
        key="the-key",
        schema_version=1,
        correlation_id="request-1",
        causation_id="request-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        data=Raw(b"{}"),
    )


def encoded(source: str, event_id: UUID) -> Raw:
    """Return an encoded envelope."""
    return Raw(msgspec.json.encode(envelope(source, event_id)))


def a_shop(*, status: Any = "approved", seller_id: UUID | None = None) -> Shop:  # noqa: ANN401  a status
    """Return a shop."""
    return Shop(new_id(), "Clay", "clay-1", "Pots.", "ceramics", status, seller_id or new_id(), 3)


def a_seller(status: Any, at: datetime = NOW, *, of: UUID | None = None) -> Seller:  # noqa: ANN401  a status
    """Return a seller who submitted their shop `at` a time."""
    shop = a_shop(status=status, seller_id=of)
    return Seller(shop.seller_id, "Ada Winter", "ada@example.test", shop, at)


def a_product(status: Any, at: datetime = NOW, *, of: UUID | None = None) -> Product:  # noqa: ANN401  a status
    """Return a product that was created `at` a time."""
    return Product(
        id=of or new_id(),
        etag='"1.7"',
        slug="mug-1",
        title="Mug",
        description="Blue.",
        category="ceramics",
        price=Price(1_500),
        stock=4,
        tags=["blue", "clay"],
        status=status,
        shop_id=new_id(),
        picture="/product/api/picture/1",
        moderation=Moderation(60, "pending", [Finding("a-rule", 10, "title", "Mug"), Finding("b", -10, "title", "")]),
        created_at=at,
    )


def an_offer(of: UUID) -> ProductOffer:
    """Return a product that is for sale, as a basket shows it."""
    return ProductOffer(
        product_id=of,
        shop_id=new_id(),
        shop_name="Clay",
        shop_slug="clay",
        slug="mug-1",
        title="Mug",
        unit_price=Price(1_500),
        stock=4,
        picture="/product/api/picture/1",
    )


def a_link(link_id: UUID) -> IssuedLink:
    """Return a link with a token."""
    return IssuedLink(link_id, "ada@example.test", f"{link_id.hex:-<43}")


def _auth() -> dict[type[Call[Any]], Pair]:
    buyer, shopkeeper, admin = account(Role.BUYER), account(Role.SELLER), account(Role.ADMIN)
    ids = [new_id() for _ in range(4)]
    suspended = ChangedAccount(new_id(), "ada@example.test", "Ada", Role.BUYER, position=7)
    found = FoundAccount(new_id(), "ada@example.test", "Ada", Role.BUYER)
    return {
        auth.GetPublicKeys: Pair(
            lambda send: AuthClient(send).get_public_keys(),
            PublicKeys([PublicKey("k1", "pem 1"), PublicKey("k2", "pem")]),
        ),
        auth.ValidateUser: Pair(lambda send: AuthClient(send).validate_user(caller(buyer)), buyer),
        auth.ValidateSeller: Pair(lambda send: AuthClient(send).validate_seller(caller(shopkeeper)), shopkeeper),
        auth.ValidateAdmin: Pair(lambda send: AuthClient(send).validate_admin(caller(admin)), admin),
        auth.GetAccounts: Pair(
            lambda send: AuthClient(send).get_accounts(ids),
            Accounts([account(Role.BUYER, account_id=one) for one in ids[:2]], ids[2:]),
        ),
        auth.FindAccounts: Pair(lambda send: AuthClient(send).find_account(found.id), FoundAccounts([found])),
        auth.SetAccountStatus: Pair(
            lambda send: AuthClient(send).suspend_account(suspended.id, reason="spam", by=admin.id), suspended
        ),
        auth.IssueLinks: Pair(
            lambda send: AuthClient(send).issue_links(ids),
            IssuedLinks([a_link(one) for one in ids[:2]], ids[2:]),
        ),
    }


def _seller() -> dict[type[Call[Any]], Pair]:
    own, shops, missing = a_shop(), [a_shop(), a_shop(status="suspended")], [new_id(), new_id()]
    decided = a_seller("approved")
    ids = [*(shop.id for shop in shops), *missing]
    return {
        seller.ValidateShopOwner: Pair(lambda send: SellerClient(send).validate_shop_owner(own.seller_id), own),
        seller.GetShops: Pair(lambda send: SellerClient(send).get_shops(ids), Shops(shops, missing)),
        seller.ListSellers: Pair(
            lambda send: SellerClient(send).list_sellers("pending", limit=2, cursor="the-first"),
            Page([a_seller("pending"), a_seller("pending", LATER)], "the-next"),
        ),
        seller.DecideSeller: Pair(
            lambda send: SellerClient(send).decide_seller(decided.user_id, "approved", reason="", by=new_id()), decided
        ),
        seller.ApplyAccountStatus: Pair(
            lambda send: SellerClient(send).apply_account_status(own.seller_id, "active", reason="", position=3),
            AccountStatusApplied(own),
        ),
    }


def _product() -> dict[type[Call[Any]], Pair]:
    mug, bowl, session_id = new_id(), new_id(), new_id()
    quoted = [QuotedLine(one, new_id(), "Mug", units, Price(1_500)) for one, units in ((mug, 3), (bowl, 2))]
    basket = [Line(mug, 1), Line(bowl, 2), Line(mug, 2)]
    offers = [an_offer(mug), an_offer(bowl)]
    decided = a_product("rejected")
    return {
        product.ValidateProducts: Pair(
            lambda send: ProductClient(send).validate_products(basket), ProductsValidated(quoted)
        ),
        GetOffers: Pair(
            lambda send: ProductClient(send).get_offers([mug, bowl, session_id]), Offers(offers, [session_id])
        ),
        product.HoldStock: Pair(lambda send: ProductClient(send).hold_stock(session_id, basket, NOW), Nothing()),
        product.ReleaseStock: Pair(
            lambda send: ProductClient(send).release_stock(session_id), StockReleased("released")
        ),
        product.UpdateStock: Pair(lambda send: ProductClient(send).update_stock(session_id, basket), Nothing()),
        product.ListProducts: Pair(
            lambda send: ProductClient(send).list_products("pending", limit=2, cursor="the-first"),
            Page([a_product("pending"), a_product("pending", LATER)], "the-next"),
        ),
        product.CopyShop: Pair(lambda send: ProductClient(send).copy_shop(a_shop()), Nothing()),
        product.DecideProduct: Pair(
            lambda send: ProductClient(send).decide_product(decided.id, "rejected", reason="fake", by=new_id()), decided
        ),
    }


def _simulator() -> dict[type[Call[Any]], Pair]:
    session_id = new_id()
    opened = PaymentOpened("pay_1", f"{PUBLIC_URL}/simulator/api/pay/pay_1", session_id)
    expires_at = NOW + timedelta(minutes=30)
    return {
        simulator.OpenPayment: Pair(
            lambda send: SimulatorPayments(send, PUBLIC_URL).open(session_id, Money(1_500), "3 x Mug", expires_at),
            opened,
        ),
        StoreInteractions: Pair(lambda send: TracesClient(send).store_interactions([]), Nothing()),
        simulator.ClosePayment: Pair(
            lambda send: SimulatorPayments(send, PUBLIC_URL).close("pay_1"), PaymentClosed("pay_1", paid=True)
        ),
        simulator.RefundPayment: Pair(
            lambda send: SimulatorPayments(send, PUBLIC_URL).refund("pay_1", "sold-out"), Refund("re_1", "pay_1")
        ),
    }


def _read_events(client: Any, source: str) -> Pair:  # noqa: ANN401  a client of a publisher
    logged = [LoggedEvent(position, envelope(source, new_id())) for position in (12, 15)]
    return Pair(lambda send: client(send).read_events(10, limit=2, topics=[TOPIC]), EventsRead(logged, 40))


def _delivered(destination: str) -> Pair:
    entries = [EventEntry(encoded("order", new_id()), ["count", "notify"], position) for position in (3, 4)]
    rejected = Result(Outcome.REJECTED, "no such product", ["NotFound: …", "KeyError: 1"])
    rows = [[Result(Outcome.APPLIED), rejected], [Result(Outcome.RETRY, "busy"), Result(Outcome.DUPLICATE)]]
    return Pair(lambda send: DeliveryClient(send).receive_events(destination, entries), EventsReceived(rows))


def _status(service: str) -> Pair:
    status = ServiceStatus(
        version="0.3.0",
        outbox=Backlog(3, 1.5),
        destinations={"admin": Backlog(2, 0.5)},
        dead_letters=1,
        stuck={"refunds": 2},
        reviews={"products": 4},
        cache=CacheCounts(5, 6, 7),
        breakers=[
            BreakerStatus(callee="order", background=one, state="open", changed_at=NOW, openings=2)
            for one in (True, False)
        ],
        problems=["outbox: database-unavailable", "stuck: timeout"],
    )
    return Pair(lambda send: StatusClient(send).get_status(service), status)


def _parked(publisher: str) -> dict[type[Call[Any]], Pair]:
    ids = [new_id() for _ in range(3)]
    refs = [ParkedEventRef(position, one, NOW) for position, one in zip((12, 15), ids, strict=False)]
    events = [
        ParkedEvent(position, one, TOPIC, "too large", encoded(publisher, one))
        for position, one in zip((12, 15), ids, strict=False)
    ]
    return {
        list_parked_events_of(publisher): Pair(
            lambda send: ParkingClient(send).list_parked_events(publisher, 10), ParkedEventList(refs)
        ),
        read_parked_events_of(publisher): Pair(
            lambda send: ParkingClient(send).read_parked_events(publisher, ids), ParkedEvents(events)
        ),
        replay_parked_events_of(publisher): Pair(
            lambda send: ParkingClient(send).replay_parked_events(publisher, ids), Nothing()
        ),
    }


def _logged(publisher: str) -> dict[type[Call[Any]], Pair]:
    ids, lost = [new_id() for _ in range(4)], [new_id(), new_id()]
    cursors = [
        LogCursor(TOPIC, 10, new_id()),
        LogCursor("order.paid", 11, new_id()),
        *(LogCursor("payment.received", 30 + n, one) for n, one in enumerate(lost)),
    ]
    lists = [ListedEvents([12, 15], ids[:2], more=True), ListedEvents([13], ids[2:3]), *(ListedEvents([], []),) * 2]
    selection = EventSelection(topics=[TOPIC], key="the-key", event_ids=ids)
    events = [LoggedEnvelope(position, encoded(publisher, one)) for position, one in zip((12, 15), ids, strict=False)]
    return {
        list_logged_events_of(publisher): Pair(
            lambda send: ComparisonClient(send).list_logged_events(publisher, cursors, limit=2, highest=20),
            LogListed(lists, lost),
        ),
        read_logged_events_of(publisher): Pair(
            lambda send: ComparisonClient(send).read_logged_events(publisher, selection, after=10), LogRead(events, 40)
        ),
    }


def _compared(destination: str) -> Pair:
    ids = [new_id() for _ in range(6)]
    known = [SubscriptionEvent("count", ids[4])]
    parts = [
        ComparedEvents(LogCursor(topic, 10, new_id()), ["count", "notify"], [11, 12, 13, 14, 15, 16], ids, known)
        for topic in (TOPIC, "order.paid")
    ]
    rejected = [RejectedEvent(ids[2], "no such product"), RejectedEvent(ids[3], "too old")]
    gaps = [[Gap("count", ids[:2], rejected), Gap("notify", ids[1:3], [])], [Gap("notify", ids[:2], rejected)]]
    positions = [
        SubscriptionPosition(subscription="count", topic=TOPIC, position=10, event_id=new_id(), started_at=NOW),
        SubscriptionPosition(subscription="notify", topic=TOPIC, begins_at=NOW, started_at=NOW),
    ]
    return Pair(lambda send: ComparisonClient(send).missing_events(destination, parts), EventsCompared(positions, gaps))


def honest_pairs() -> dict[type[Call[Any]], Pair]:
    """Return the pair of each call."""
    pairs: dict[type[Call[Any]], Pair] = _auth() | _seller() | _product() | _simulator()
    pairs |= {
        auth.ReadAuthEvents: _read_events(AuthClient, "auth"),
        seller.ReadSellerEvents: _read_events(SellerClient, "seller"),
        product.ReadProductEvents: _read_events(ProductClient, "product"),
        order.ReadOrderEvents: _read_events(OrderClient, "order"),
    }
    pairs |= {delivery.receive_events_of(one): _delivered(one) for one in SUBSCRIBERS}
    pairs |= {missing_events_of(one): _compared(one) for one in SUBSCRIBERS}
    pairs |= {get_status_of(one): _status(one) for one in SERVICES}
    for publisher in PUBLISHERS:
        pairs |= _parked(publisher) | _logged(publisher)
    return pairs
