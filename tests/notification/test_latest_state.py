"""The latest state wins: the newest notification and the last mail report the newest event in any order of arrival."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import UNSET

from nextbuy.contracts.auth import Account, Accounts, GetAccounts, ValidateUser
from nextbuy.contracts.order import OrderCreated, PaymentFailed, PaymentRefunded
from nextbuy.contracts.product import ProductApproved, ProductPending
from nextbuy.contracts.seller import SellerApproved, SellerSuspended
from nextbuy.contracts.values import PageRequest, Role, new_id
from nextbuy.kit.events.inbound import InboundEvent
from nextbuy.notification.deps import Deps
from nextbuy.notification.mailer import SmtpMailer, StoredMailer
from nextbuy.notification.mails import ListMails, mails
from nextbuy.notification.notifications import notifications
from nextbuy.notification.notify_accounts import notify_accounts
from nextbuy.notification.send_mails import send_mails
from nextbuy.notification.service import SERVICE
from nextbuy.notification.store.mails import claim, mark_superseded
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls
from tests.inbound import SHOP, Delivery, handle, inbound
from tests.notification.mail_server import MailServer
from tests.notification.test_drafts import BUYER, SELLER, SESSION, order_created, payment_refunded, product_event

SHOPS = 30
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
APPROVED, SUSPENDED = "Your shop is open · NextBuy", "Your shop is suspended · NextBuy"


def email_of(account_id: UUID) -> str:
    return f"{account_id}@example.test"


@pytest.fixture(autouse=True)
def anyone(calls: StubCalls) -> None:
    """Auth knows every account and believes every token."""
    calls.replies[ValidateUser] = confirm
    calls.replies[GetAccounts] = lambda call: Accounts(
        [Account(one, email_of(one), "A seller", Role.SELLER) for one in call.account_ids]
    )


def approved(seller: UUID = SELLER, shop: UUID = SHOP, *, at: datetime = NOON, position: int = 1) -> InboundEvent:
    event = SellerApproved(shop_id=shop, user_id=seller, shop_name="Kiln", status="approved", shop_version=2)
    return inbound(event, at, position=position)


def suspended(
    seller: UUID = SELLER, shop: UUID = SHOP, *, at: datetime = NOON + timedelta(seconds=2), position: int = 2
) -> InboundEvent:
    event = SellerSuspended(
        shop_id=shop, user_id=seller, shop_name="Kiln", status="suspended", shop_version=3, reason="No papers"
    )
    return inbound(event, at, position=position)


async def newest_kind(deps: Deps, account_id: UUID) -> str:
    who = account(Role.SELLER, account_id=account_id)
    return (await notifications(deps, caller(who), PageRequest(limit=1))).items[0].kind


async def statuses(deps: Deps) -> dict[str, str]:
    """Return the status of the mails of each kind."""
    rows = await deps.database.fetch("SELECT kind, status FROM mails")
    return {row["kind"]: row["status"] for row in rows}


def last_subject(server: MailServer, account_id: UUID) -> str:
    return [str(one["Subject"]) for one in server.mails if one["To"] == email_of(account_id)][-1]


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "in reverse order"])
@pytest.mark.parametrize("mailed_between", [False, True], ids=["mailed at the end", "mailed in between"])
async def test_suspension_is_the_newest_notification_and_the_last_mail(
    deps: Deps, *, reverse: bool, mailed_between: bool
) -> None:
    delivery, server, sellers = Delivery(SERVICE, deps, deps.database), MailServer(), [new_id() for _ in range(SHOPS)]
    shops = [(seller, new_id()) for seller in sellers]
    topics = [
        [approved(*shop, position=2 * n + 1) for n, shop in enumerate(shops)],
        [suspended(*shop, position=2 * n + 2) for n, shop in enumerate(shops)],
    ]
    if reverse:
        topics.reverse()

    async with server.open() as smtp:
        sending = replace(deps, mailer=SmtpMailer(smtp))
        for topic in topics:
            assert set(await delivery(*topic)) == {"applied"}
            while mailed_between and await send_mails(sending):
                pass
        while await send_mails(sending):
            pass

    assert [await newest_kind(deps, seller) for seller in sellers] == ["shop-suspended"] * SHOPS
    assert [last_subject(server, seller) for seller in sellers] == [SUSPENDED] * SHOPS
    was_first = mailed_between and not reverse
    assert await statuses(deps) == {"shop-approved": "sent" if was_first else "superseded", "shop-suspended": "sent"}
    assert len(server.accepted) == (2 if was_first else 1) * SHOPS


async def test_suspension_is_the_last_mail_during_concurrent_deliveries_and_sending(deps: Deps) -> None:
    rng, server = random.Random(), MailServer()  # noqa: S311  shuffles a test
    shops = [(new_id(), new_id()) for _ in range(SHOPS)]
    events = [event for shop in shops for event in (approved(*shop), suspended(*shop))]
    rng.shuffle(events)
    delivered = asyncio.Event()

    async def deliver() -> None:
        for start in range(0, len(events), 4):
            await handle(notify_accounts, deps, *events[start : start + 4])
        delivered.set()

    async def send(sending: Deps) -> None:
        while not delivered.is_set() or await deps.database.fetchval("SELECT true FROM mails WHERE status = 'waiting'"):
            await send_mails(sending)

    async with server.open() as smtp:
        sending = replace(deps, mailer=SmtpMailer(smtp))
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(deliver())
            for _ in range(3):
                tasks.create_task(send(sending))

    assert [await newest_kind(deps, seller) for seller, _ in shops] == ["shop-suspended"] * SHOPS
    assert [last_subject(server, seller) for seller, _ in shops] == [SUSPENDED] * SHOPS


class StallingServer(MailServer):
    """A mail server that stalls on the first mail until it may continue."""

    def __init__(self) -> None:
        super().__init__()
        self.stalled, self.may_continue = asyncio.Event(), asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if not self.stalled.is_set():
            self.stalled.set()
            await self.may_continue.wait()
        return await super().handle_DATA(server, session, envelope)


async def test_newer_mail_waits_while_an_older_one_is_being_sent(deps: Deps) -> None:
    server = StallingServer()
    await handle(notify_accounts, deps, approved())
    async with server.open() as smtp:
        sending = replace(deps, mailer=SmtpMailer(smtp))
        older = asyncio.create_task(send_mails(sending))
        await server.stalled.wait()

        await handle(notify_accounts, deps, suspended())
        await send_mails(sending)
        server.may_continue.set()
        await older
        await send_mails(sending)

    assert [str(one["Subject"]) for one in server.mails] == [APPROVED, SUSPENDED]


async def test_mail_claimed_before_a_newer_notification_arrives_is_not_sent(deps: Deps) -> None:
    await handle(notify_accounts, deps, approved())
    [taken] = await claim(deps.database, limit=1)
    assert await mark_superseded(deps.database, taken.until, [taken.id]) == set()

    await handle(notify_accounts, deps, suspended())

    assert await mark_superseded(deps.database, taken.until - timedelta(seconds=1), [taken.id]) == set()
    assert await mark_superseded(deps.database, taken.until, [taken.id]) == {taken.id}
    assert await statuses(deps) == {"shop-approved": "superseded", "shop-suspended": "waiting"}


async def test_delayed_mail_does_not_delay_a_newer_one(deps: Deps) -> None:
    server = MailServer()
    server.reply_to_data = lambda offered: "250 accepted" if offered else "451 busy"
    await handle(notify_accounts, deps, approved())
    async with server.open() as smtp:
        sending = replace(deps, mailer=SmtpMailer(smtp))
        await send_mails(sending)
        assert await statuses(deps) == {"shop-approved": "waiting"}

        await handle(notify_accounts, deps, suspended())
        await send_mails(sending)
        assert await statuses(deps) == {"shop-approved": "waiting", "shop-suspended": "sent"}

        await deps.database.execute("UPDATE mails SET due_at = now() WHERE due_at IS NOT NULL")
        await send_mails(sending)

    assert await statuses(deps) == {"shop-approved": "superseded", "shop-suspended": "sent"}
    assert [str(one["Subject"]) for one in server.mails] == [SUSPENDED]


async def test_superseded_mail_is_kept_for_admins(deps: Deps) -> None:
    await handle(notify_accounts, deps, suspended(), approved())

    await send_mails(deps)

    page = await mails(deps, caller(account(Role.ADMIN)), ListMails(status="superseded"))
    [kept] = page.items
    assert (kept.kind, kept.recipient, kept.attempts) == ("shop-approved", "", 1)
    assert kept.done_at is not None
    assert len((await mails(deps, caller(account(Role.ADMIN)), ListMails(status=UNSET))).items) == 2


async def test_position_decides_among_the_events_of_one_publisher(deps: Deps) -> None:
    """The clocks of a publisher's processes may differ."""
    late = NOON + timedelta(seconds=5)
    await handle(notify_accounts, deps, approved(at=late, position=9), suspended(at=NOON, position=10))

    await send_mails(deps)

    assert await statuses(deps) == {"shop-approved": "superseded", "shop-suspended": "stored"}


async def test_time_decides_among_the_events_of_two_publishers(deps: Deps) -> None:
    other = suspended(at=NOON + timedelta(seconds=1), position=1)
    other = msgspec.structs.replace(other, envelope=msgspec.structs.replace(other.envelope, source="other"))
    await handle(notify_accounts, deps, approved(at=NOON, position=9), other)

    await send_mails(deps)

    assert await statuses(deps) == {"shop-approved": "superseded", "shop-suspended": "stored"}


async def sent_kinds(deps: Deps, events: Sequence[InboundEvent]) -> list[str]:
    """Apply events one by one, then send the mails; return the kinds of those that were not superseded."""
    for event in events:
        await handle(notify_accounts, deps, event)
    await send_mails(deps)
    rows = await deps.database.fetch("SELECT kind FROM mails WHERE status = 'stored' ORDER BY kind")
    return [row["kind"] for row in rows]


async def test_older_mail_about_another_shop_or_to_another_account_is_sent(deps: Deps) -> None:
    events = [suspended(position=9), approved(shop=new_id(), position=8), approved(seller=new_id(), position=7)]

    assert await sent_kinds(deps, events) == ["shop-approved", "shop-approved", "shop-suspended"]


async def test_approval_of_a_product_that_is_under_review_again_is_not_sent(deps: Deps) -> None:
    pending = inbound(product_event(ProductPending, score=80, rules=[]), NOON, position=2)
    older = inbound(product_event(ProductApproved, by=new_id()), NOON, position=1)

    assert await sent_kinds(deps, [pending, older]) == []
    assert await newest_kind(deps, SELLER) == "product-pending"


@pytest.mark.parametrize("newer", [order_created(), payment_refunded()], ids=["order", "refund"])
async def test_declined_payment_is_not_reported_after_the_end_of_its_checkout(
    deps: Deps, newer: OrderCreated | PaymentRefunded
) -> None:
    declined = inbound(PaymentFailed(session_id=SESSION, buyer_id=BUYER, reason="declined"), position=1)

    assert "payment-failed" not in await sent_kinds(deps, [inbound(newer, position=2), declined])


async def test_every_order_and_every_refund_of_a_checkout_is_reported(deps: Deps) -> None:
    class SendingMailer(StoredMailer):
        sends = True  # Also mails that report no state are then claimed and sent.

    events = [
        inbound(event, position=position)
        for position, event in enumerate((order_created(), order_created(), payment_refunded(), payment_refunded()), 1)
    ]

    kinds = await sent_kinds(replace(deps, mailer=SendingMailer()), events[::-1])

    assert kinds == ["order-placed"] * 2 + ["order-received"] * 2 + ["payment-refunded"] * 2
