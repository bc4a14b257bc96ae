"""A purchase, as those whom it concerns hear of it: where they look, and in their mailboxes."""

from typing import Any

import pytest

from tests.journeys.marketplace import PutUp, Topology
from tests.journeys.people import Person, Town
from tests.kafka.post_office import PostOffice
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)


async def _told(town: Town, who: Person, kind: str) -> list[dict[str, Any]]:
    items = await town.items("/kafka/api/notifications", who)
    return [note for note in items if note["kind"] == kind]


@pytest.mark.parametrize("topology", Topology)
async def test_buyer_and_seller_are_told_once_and_get_a_mail_each(put_up: PutUp, topology: Topology) -> None:
    office = PostOffice()
    async with office.open() as smtp:
        market = put_up(
            topology, NEXTBUY_SMTP_URL=f"smtp://127.0.0.1:{smtp.port}", NEXTBUY_MAIL_FROM="Shop <shop@nextbuy.test>"
        )
        async with Town.around(market) as town:
            seller, buyer = await town.seller(), await town.buyer()
            [order_id] = await town.bought(buyer, [(await town.product(seller), 2)])

            async def there() -> bool:
                both = (await _told(town, buyer, "order-placed"), await _told(town, seller, "order-received"))
                return all(both) and {buyer.email, seller.email} <= set(office.recipients)

            await until(there, "both are told and written to", within=30)
            for who, kind in ((buyer, "order-placed"), (seller, "order-received")):
                [note] = await _told(town, who, kind)
                assert note["link"] == f"/order/{order_id}"
                mails = [mail for mail in office.mails if mail["To"] == who.email and order_id in mail.get_content()]
                assert len(mails) == 1
            sent = await town.items("/kafka/api/mails?status=sent", await town.admin())
            assert {(one["recipient"], one["kind"]) for one in sent} >= {
                (buyer.email, "order-placed"),
                (seller.email, "order-received"),
            }
        assert market.stop() == 0
