"""An act for each call of each service: a public route or a job that makes the call, on a real database."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, cast
from uuid import UUID

import nextbuy.admin.service
import nextbuy.analytics.service
import nextbuy.kafka.service
import nextbuy.notification.service
import nextbuy.order.service
import nextbuy.simulator.service
from nextbuy.admin.changes import CHANGES as ADMIN_CHANGES
from nextbuy.admin.deps import Deps as AdminDeps
from nextbuy.admin.store_operator_acts import store_operator_acts
from nextbuy.analytics import rebuild_requests
from nextbuy.analytics.rebuild_projections import rebuild_projections
from nextbuy.contracts.auth import (
    AccountRegistered,
    Accounts,
    AuthClient,
    ChangedAccount,
    FindAccounts,
    FoundAccount,
    FoundAccounts,
    GetAccounts,
    IssuedLinks,
    IssueLinks,
    ReadAuthEvents,
    SetAccountStatus,
    ValidateAdmin,
    ValidateSeller,
    ValidateUser,
)
from nextbuy.contracts.message import Call
from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.order import OrderClient, OrderPaid, ReadOrderEvents
from nextbuy.contracts.product import (
    CopyShop,
    DecideProduct,
    ListProducts,
    ProductApproved,
    ProductClient,
    ReadProductEvents,
    ReleaseStock,
    ValidateProducts,
)
from nextbuy.contracts.product_offers import GetOffers
from nextbuy.contracts.seller import (
    AccountStatusApplied,
    ApplyAccountStatus,
    DecideSeller,
    GetShops,
    ListSellers,
    ReadSellerEvents,
    SellerClient,
    SellerRegistered,
    ValidateShopOwner,
)
from nextbuy.contracts.simulator import ClosePayment, OpenPayment, RefundPayment
from nextbuy.contracts.values import Money, Nothing, Page, Role, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.config_mail import Smtp
from nextbuy.kit.config_marketplace import Marketplace
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.rpc.transports import HttpTransport
from nextbuy.notification.deps import Deps as NotificationDeps
from nextbuy.notification.mailer import SmtpMailer, StoredMailer
from nextbuy.notification.notify_accounts import notify_accounts
from nextbuy.notification.send_mails import send_mails
from nextbuy.notification.store.notifications import CHANGES
from nextbuy.simulator.deps import Deps as SimulatorDeps
from nextbuy.simulator.webhook_dispatcher import WebhookDispatcher
from tests.analytics.projection_harness import ProjectionHarness
from tests.callers import account
from tests.contracts.honest_replies import LATER, a_link, a_product, a_seller, a_shop
from tests.hostile.act_world import ADMIN, BUYER, CONFIRMED, SELLER, MakeAct, World
from tests.hostile.listing_acts import (
    listing,
    opening_of_shop,
    slugs_of_shops,
    view_of_hidden_product,
    view_of_hidden_shop,
)
from tests.hostile.order_acts import addition_to_basket, checkout, refund, release, replacement
from tests.inbound import handle, inbound
from tests.kafka.sample_deps import sample_deps
from tests.lying_callee import Act, LyingCallee, job, request
from tests.notification.test_drafts import order_created, reset_requested


def of_admin(method: str, path: str, body: object = None) -> MakeAct:
    """Return an act of an admin."""

    async def make(world: World) -> Act:
        callee = world.callee(
            {
                SetAccountStatus: lambda call: ChangedAccount(
                    call.account_id, "a@example.test", "Ada", Role.BUYER, position=7
                ),
                ApplyAccountStatus: lambda call: AccountStatusApplied(a_shop(seller_id=call.account_id)),
                GetAccounts: lambda call: Accounts([account(Role.ADMIN, account_id=one) for one in call.account_ids]),
                FindAccounts: lambda call: FoundAccounts(
                    [FoundAccount(UUID(call.text), "a@example.test", "Ada", Role.BUYER)]
                ),
                CopyShop: Nothing(),
                DecideSeller: lambda call: a_seller(call.decision, of=call.user_id),
                DecideProduct: lambda call: a_product(call.decision, of=call.product_id),
                ListSellers: Page([a_seller("pending"), a_seller("pending", LATER)], "the-next"),
                ListProducts: Page([a_product("pending"), a_product("pending", LATER)], "the-next"),
            }
        )
        database = await world.open_database("admin")
        deps = AdminDeps(
            auth=AuthClient(callee.send),
            product=ProductClient(callee.send),
            seller=SellerClient(callee.send),
            database=database,
            streams=ChangeStreams(database, ADMIN_CHANGES),
        )
        return Act(
            callee=callee,
            database=database,
            run=request(nextbuy.admin.service.SERVICE, deps, ADMIN, method, path, body),
        )

    return make


async def audited(world: World) -> Act:
    """An admin reads the audit, which names the operators."""
    act = await of_admin("GET", "audit")(world)
    event = operator_acted_of("auth")(
        act_id=new_id(), actor=str(_ID), action="test", subject="it", before="", after="", reason="", details={}
    )
    await handle(store_operator_acts, SimpleNamespace(database=act.database), inbound(event))
    return act


async def _notification(world: World) -> tuple[NotificationDeps, LyingCallee]:
    callee = world.callee(
        {
            GetAccounts: lambda call: Accounts([account(Role.BUYER, account_id=one) for one in call.account_ids]),
            IssueLinks: lambda call: IssuedLinks([a_link(one) for one in call.link_ids]),
        }
    )
    database = await world.open_database("notification")
    deps = NotificationDeps(
        auth=AuthClient(callee.send),
        database=database,
        mailer=StoredMailer(),
        public_url="http://shop.test",
        marketplace=Marketplace(),
        journal=Journal(),
        streams=ChangeStreams(database, CHANGES),
    )
    return deps, callee


async def mail(world: World) -> Act:
    """A job sends the mails about an order to its buyer and its seller, and a mail with a link."""
    deps, callee = await _notification(world)
    with_server = replace(deps, mailer=SmtpMailer(Smtp(host="mail.test", sender="shop@nextbuy.test")))

    async def notify() -> None:
        await deps.database.execute("DELETE FROM mails")
        await handle(notify_accounts, with_server, inbound(order_created()), inbound(reset_requested()))

    return Act(callee=callee, database=deps.database, run=job(lambda: send_mails(deps)), prepare=notify)


def of_notification(who: Any, method: str, path: str) -> MakeAct:  # noqa: ANN401  an account
    """Return an act of a reader of notifications or mails."""

    async def make(world: World) -> Act:
        deps, callee = await _notification(world)
        run = request(nextbuy.notification.service.SERVICE, deps, who, method, path)
        return Act(callee=callee, database=deps.database, run=run)

    return make


async def _analytics(world: World) -> tuple[ProjectionHarness, LyingCallee]:
    publishers = {name: await world.open_database("") for name in ("auth", "seller", "product", "order")}
    for name, database in publishers.items():
        database.service = name
    harness = ProjectionHarness(await world.open_database("analytics"), publishers)
    harness.calls.replies |= CONFIRMED
    callee = world.callee(harness.calls)
    harness.deps = replace(
        harness.deps,
        auth=AuthClient(callee.send),
        product=ProductClient(callee.send),
        seller=SellerClient(callee.send),
        order=OrderClient(callee.send),
    )
    return harness, callee


async def rebuild(world: World) -> Act:
    """A job rebuilds a projection from the event logs of four services."""
    harness, callee = await _analytics(world)
    ids = [new_id() for _ in range(4)]
    for _ in range(2):
        await harness.write(
            AccountRegistered(account_id=ids[0], role=Role.BUYER),
            SellerRegistered(shop_id=ids[1], user_id=ids[2], shop_name="Clay", status="pending", shop_version=1),
            ProductApproved(
                product_id=ids[3], shop_id=ids[1], seller_id=ids[2], title="Mug", status="active", by=ids[0]
            ),
            OrderPaid(order_id=new_id(), session_id=new_id(), shop_id=ids[1], total=Money(5)),
        )

    async def request_rebuild() -> None:
        while await rebuild_projections(harness.deps):
            pass
        async with harness.database.transaction() as tx:
            await rebuild_requests.request_rebuild(tx, "daily-figures", requested_by="admin")

    run = job(lambda: rebuild_projections(harness.deps))
    return Act(callee=callee, database=harness.database, run=run, prepare=request_rebuild)


def of_analytics(who: Any, method: str, path: str) -> MakeAct:  # noqa: ANN401  an account
    """Return an act of a reader of figures."""

    async def make(world: World) -> Act:
        harness, callee = await _analytics(world)
        run = request(nextbuy.analytics.service.SERVICE, harness.deps, who, method, path)
        return Act(callee=callee, database=harness.database, run=run)

    return make


async def stuck_webhooks(world: World) -> Act:
    """An admin lists webhooks that have failed for long."""
    callee, database = world.callee({}), await world.open_database("simulator")
    deps = SimulatorDeps(
        auth=AuthClient(callee.send),
        database=database,
        clock=utc_now,
        settings=Settings(secret=b"0123456789abcdef"),
        journal=world.journal,
        dispatcher=WebhookDispatcher(HttpTransport("gateway", "http://shop.test")),
    )
    run = request(nextbuy.simulator.service.SERVICE, deps, ADMIN, "GET", "stuck")
    return Act(callee=callee, database=database, run=run)


async def dead_letters(world: World) -> Act:
    """An admin lists dead letters."""
    callee, database = world.callee({}), await world.open_database("kafka")
    deps = sample_deps(database, callee.send, cast("Any", None), [])
    run = request(nextbuy.kafka.service.SERVICE, deps, ADMIN, "GET", "dead-letters")
    return Act(callee=callee, database=database, run=run)


_ID: Final = UUID(int=1)
ACTS: Final[dict[tuple[str, type[Call[Any]]], MakeAct]] = {
    **{("order", call): checkout for call in (ValidateUser, ValidateProducts, GetShops, OpenPayment)},
    ("order", ClosePayment): replacement,
    ("order", GetOffers): addition_to_basket,
    ("order", RefundPayment): refund,
    ("order", ReleaseStock): release,
    **{("product", call): listing for call in (ValidateSeller, ValidateShopOwner)},
    ("product", GetShops): slugs_of_shops,
    ("product", ValidateUser): view_of_hidden_product,
    ("seller", ValidateSeller): opening_of_shop,
    ("seller", ValidateUser): view_of_hidden_shop,
    ("admin", ValidateAdmin): of_admin("POST", "read-all-notifications"),
    ("admin", SetAccountStatus): of_admin("POST", f"suspend-account/{_ID}", {"reason": "spam"}),
    ("admin", ApplyAccountStatus): of_admin("POST", f"suspend-account/{_ID}", {"reason": "spam"}),
    ("admin", DecideSeller): of_admin("POST", f"approve-seller/{_ID}"),
    ("admin", DecideProduct): of_admin("POST", f"reject-product/{_ID}", {"reason": "fake"}),
    ("admin", GetAccounts): audited,
    ("admin", FindAccounts): of_admin("GET", f"person/{_ID}"),
    ("admin", ListSellers): of_admin("GET", "get-pending-sellers"),
    ("admin", ListProducts): of_admin("GET", "get-pending-products"),
    ("notification", GetAccounts): mail,
    ("notification", IssueLinks): mail,
    ("notification", ValidateUser): of_notification(BUYER, "POST", "read-all-notifications"),
    ("notification", ValidateAdmin): of_notification(ADMIN, "GET", "mails"),
    **{("analytics", call): rebuild for call in (ReadAuthEvents, ReadSellerEvents, ReadProductEvents, ReadOrderEvents)},
    ("analytics", ValidateUser): of_analytics(SELLER, "GET", "seller-figures"),
    ("analytics", ValidateAdmin): of_analytics(ADMIN, "POST", "projections/daily-figures/rebuild"),
    ("simulator", ValidateAdmin): stuck_webhooks,
    ("kafka", ValidateAdmin): dead_letters,
}
"""The act in which each call of each service is lied about."""
