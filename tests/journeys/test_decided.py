"""The decided list in a browser without script: an operator undoes decisions, and the audit has each."""

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import ADMIN, PASSWORD
from tests.journeys.test_operator_desk import decide, find, product_to_review, status_of
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages
DECIDED = "/admin/queue/decided"
TIMEOUT = 40.0
"""Seconds until a decision is listed: the first event of a topic is slow on Kafka."""


@pytest.fixture
async def browser(browser: PageClient) -> PageClient:
    """A browser in which the operator is signed in."""
    await browser.sign_in(ADMIN, PASSWORD)
    return browser


async def listed(browser: PageClient, kind: str, item: str, after: str) -> Page:
    """Return the decided list once it offers to undo a decision."""
    pages: list[Page] = []

    async def is_listed() -> bool:
        pages.append(await browser.get(DECIDED))
        fields = [form.fields for form in pages[-1].forms if form.action == f"{DECIDED}/undo-{kind}"]
        return any((one["id"], one["after"]) == (item, after) for one in fields)

    await until(is_listed, f"the decision {after!r} is listed", timeout=TIMEOUT)
    return pages[-1]


async def undo(browser: PageClient, page: Page, kind: str, item: str, **fields: str) -> Page:
    """Send the form that undoes a decision."""
    action = f"{DECIDED}/undo-{kind}"
    items = [form.fields["id"] for form in page.forms if form.action == action]
    return await browser.submit(page, action, items.index(item), **fields)


async def test_decision_about_a_product_is_undone_both_ways(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    queue = await find(browser, product["title"].removeprefix("Antique sword "))
    await decide(browser, queue, "reject-product", product["id"], reason="Send a picture of the blade.")
    rejected = await listed(browser, "product", product["id"], "rejected")
    assert "Send a picture of the blade." in rejected.text

    page = await undo(browser, rejected, "product", product["id"])

    assert (page.path, "The decision is undone, and" in page.text) == (DECIDED, True)
    assert await status_of(client, product, seller) == "active"
    again = await undo(browser, rejected, "product", product["id"], key="another")
    assert (again.status, "Nothing was undone" in again.text) == (409, True)
    approved = await listed(browser, "product", product["id"], "active")
    refused = await undo(browser, approved, "product", product["id"], reason=" ")
    assert (refused.status, await status_of(client, product, seller)) == (422, "active")
    await undo(browser, approved, "product", product["id"], reason="No blades.")
    assert await status_of(client, product, seller) == "rejected"
    await listed(browser, "product", product["id"], "rejected")
    acts = await client.list_all(f"/admin/api/audit?subject={product['id']}", await client.admin())
    assert [(act["before"], act["after"]) for act in acts] == [
        ("active", "rejected"),
        ("rejected", "active"),
        ("pending", "rejected"),
    ]


async def test_rejection_is_not_undone_for_a_version_that_no_admin_has_seen(
    browser: PageClient, client: JourneyClient
) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    queue = await find(browser, product["title"].removeprefix("Antique sword "))
    await decide(browser, queue, "reject-product", product["id"], reason="Send a picture of the blade.")
    page = await listed(browser, "product", product["id"], "rejected")
    path = f"/product/api/update-product/{product['id']}"
    await client.request("PUT", path, {"title": "Counterfeit watch"}, who=seller)
    assert await status_of(client, product, seller) == "rejected"

    refused = await undo(browser, page, "product", product["id"])

    assert (refused.status, "the seller has changed the product" in refused.text) == (412, True)
    without_version = await undo(browser, page, "product", product["id"], key="another", etag="")
    assert (without_version.status, await status_of(client, product, seller)) == (412, "rejected")


async def test_decision_about_a_shop_is_undone(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller(approved=False)

    async def status() -> str:
        return str((await client.get("/seller/api/my-shop", seller))["shop"]["status"])

    queue = await find(browser, seller.shop["name"], "shops")
    await decide(browser, queue, "reject-shop", seller.id, reason="No postal address.")
    await undo(browser, await listed(browser, "shop", seller.id, "rejected"), "shop", seller.id)
    assert await status() == "approved"
    page = await listed(browser, "shop", seller.id, "approved")
    await undo(browser, page, "shop", seller.id, reason="Sells counterfeits.")
    assert await status() == "suspended"
    page = await listed(browser, "shop", seller.id, "suspended")
    await undo(browser, page, "shop", seller.id, reason="A mistake.")

    assert await status() == "approved"


async def test_only_operators_see_and_undo_decisions(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    queue = await find(browser, product["title"].removeprefix("Antique sword "))
    await decide(browser, queue, "reject-product", product["id"], reason="Send a picture.")
    await browser.sign_in(seller.email, PASSWORD)

    assert (await browser.get(DECIDED)).status == 403
    refused = await browser.post(f"{DECIDED}/undo-product", {"id": product["id"], "after": "rejected"})

    assert (refused.status, await status_of(client, product, seller)) == (403, "rejected")
