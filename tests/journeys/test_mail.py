"""Notifications and mails of a purchase."""

from typing import Any

import pytest

from tests.journeys.journey_client import JourneyClient, Person
from tests.journeys.marketplace import TOPOLOGIES, StartMarketplace, Topology
from tests.notification.mail_server import MailServer, text_of
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)


async def _notifications(client: JourneyClient, who: Person, kind: str) -> list[dict[str, Any]]:
    items = await client.list_all("/notification/api/notifications", who)
    return [note for note in items if note["kind"] == kind]


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_buyer_and_seller_get_one_notification_and_one_mail_each(
    start_marketplace: StartMarketplace, topology: Topology
) -> None:
    server = MailServer()
    async with server.open() as smtp:
        market = start_marketplace(
            topology, NEXTBUY_SMTP_URL=f"smtp://127.0.0.1:{smtp.port}", NEXTBUY_MAIL_FROM="Shop <shop@nextbuy.test>"
        )
        async with JourneyClient.connect(market) as client:
            seller, buyer = await client.new_seller(), await client.new_buyer()
            [order_id] = await client.buy(buyer, [(await client.new_product(seller), 2)])

            async def arrived() -> bool:
                both = (
                    await _notifications(client, buyer, "order-placed"),
                    await _notifications(client, seller, "order-received"),
                )
                reached = {mail["To"] for mail in server.mails if order_id in text_of(mail)}
                return all(both) and reached == {buyer.email, seller.email}

            await until(arrived, "both have a notification and a mail", timeout=30)
            for who, kind in ((buyer, "order-placed"), (seller, "order-received")):
                [note] = await _notifications(client, who, kind)
                assert note["link"] == f"/order/{order_id}"
                mails = [mail for mail in server.mails if mail["To"] == who.email and order_id in text_of(mail)]
                assert len(mails) == 1
            sent = await client.list_all("/notification/api/mails?status=sent", await client.admin())
            assert {(one["recipient"], one["kind"]) for one in sent} >= {
                (buyer.email, "order-placed"),
                (seller.email, "order-received"),
            }
        assert market.stop() == 0
