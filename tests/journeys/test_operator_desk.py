"""The pages of operators in a browser without script: the overview, decisions about products and shops, and mails."""

from secrets import token_hex

import pytest

from tests.journeys.journey_client import JourneyClient, Json, Person, Seller
from tests.journeys.marketplace import ADMIN, PASSWORD
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages


@pytest.fixture
async def browser(browser: PageClient) -> PageClient:
    """A browser in which the operator is signed in."""
    await browser.sign_in(ADMIN, PASSWORD)
    return browser


async def product_to_review(client: JourneyClient, seller: Seller) -> Json:
    """Create a product that moderation leaves to an operator."""
    fields = client.product_fields(title=f"Antique sword {token_hex(4)}")
    made: Json = (await client.post("/product/api/create-product", fields, seller))["product"]
    assert made["status"] == "pending", made
    return made


async def find(browser: PageClient, text: str, kind: str = "products") -> Page:
    """Return the page of the queue that shows a text; the queue of a shared marketplace may be long."""
    page = await browser.get(f"/admin/queue?kind={kind}")
    while text not in page.text:
        [further] = [href for href, name in page.links if name == "Next page"]
        page = await browser.get(further)
    return page


async def decide(browser: PageClient, page: Page, name: str, item: str, **fields: str) -> Page:
    """Send a decision about an item of the queue."""
    action = f"/admin/queue/{name}"
    items = [form.fields["id"] for form in page.forms if form.action == action]
    return await browser.submit(page, action, items.index(item), **fields)


async def status_of(client: JourneyClient, product: Json, who: Person) -> str:
    return str((await client.get(f"/product/api/get-product/{product['id']}", who))["product"]["status"])


async def test_overview_shows_what_waits_and_leads_to_a_trace(browser: PageClient, client: JourneyClient) -> None:
    product = await product_to_review(client, await client.new_seller())

    page = await browser.get("/admin")

    assert (page.status, page.title) == (200, "Operations · NextBuy")
    assert "not available" not in page.text
    assert "Products to review" in page.text
    assert page.html.count("<svg") >= 2
    assert "Daily figures" in page.text
    trace = await browser.get(f"{page.form('/trace').action}?id={product['id']}")
    assert trace.path == "/trace"


async def test_operator_reads_the_evidence_and_approves_a_product(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)

    page = await find(browser, product["title"].removeprefix("Antique sword "))
    assert "<mark>sword</mark>" in page.html
    assert "“sword” in the title is always reviewed." in page.text
    page = await decide(browser, page, "approve-product", product["id"])

    assert (page.path, "The product is approved." in page.text) == ("/admin/queue", True)
    assert await status_of(client, product, seller) == "active"


async def test_rejection_needs_a_reason_which_the_seller_reads(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    page = await find(browser, product["title"].removeprefix("Antique sword "))

    page = await decide(browser, page, "reject-product", product["id"], reason="  ")
    assert page.status == 422
    assert await status_of(client, product, seller) == "pending"
    page = await find(browser, product["title"].removeprefix("Antique sword "))
    page = await decide(browser, page, "reject-product", product["id"], reason="Send a picture of the blade.")

    assert "The product is rejected." in page.text
    assert await status_of(client, product, seller) == "rejected"

    async def is_notified() -> bool:
        notes = await client.list_all("/notification/api/notifications", seller)
        return any("Send a picture of the blade." in note["message"] for note in notes)

    await until(is_notified, "the seller is notified with the reason")


async def test_product_that_changed_meanwhile_is_not_decided(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    page = await find(browser, product["title"].removeprefix("Antique sword "))
    path = f"/product/api/update-product/{product['id']}"
    changed = await client.request("PUT", path, {"title": f"{product['title']} and dagger"}, who=seller)
    assert changed.status == 200

    refused = await decide(browser, page, "approve-product", product["id"])

    assert (refused.status, "changed after you opened this page" in refused.text) == (412, True)
    assert await status_of(client, product, seller) == "pending"
    page = await find(browser, f"{product['title'].removeprefix('Antique sword ')} and")
    assert "“dagger” in the title is always reviewed." in page.text
    await decide(browser, page, "approve-product", product["id"])
    assert await status_of(client, product, seller) == "active"


async def test_two_operators_cannot_decide_differently_about_a_shop(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller(approved=False)
    page = await find(browser, seller.shop["name"], "shops")
    assert seller.email in page.text

    approved = await decide(browser, page, "approve-shop", seller.id)
    refused = await decide(browser, page, "reject-shop", seller.id, reason="No address.")

    assert "The shop is approved" in approved.text
    assert refused.status in {409, 412}
    assert seller.shop["name"] in refused.text
    assert (await client.get("/seller/api/my-shop", seller))["shop"]["status"] == "approved"


async def test_operator_reads_a_mail(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()

    async def is_stored() -> bool:
        return seller.email in (await browser.get("/mails?status=stored")).text

    await until(is_stored, "the mail to the seller is stored")
    page = await browser.get("/mails?status=stored")
    [(href, subject), *_] = [(href, text) for href, text in page.links if href.startswith("/mails/")]
    mail = await browser.get(href)
    assert (mail.status, subject in mail.title, mail.title.count("NextBuy")) == (200, True, 1)
    assert (await browser.get("/mails/nothing")).status == 404


async def test_pages_of_operators_are_refused_to_others(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await product_to_review(client, seller)
    await browser.sign_in(seller.email, PASSWORD)

    pages = [await browser.get(path) for path in ("/admin", "/admin/queue", "/dead-letters", "/mails")]
    assert [page.status for page in pages] == [403] * 4
    assert all("Sign in with an admin" in page.text for page in pages)
    refused = await browser.post("/admin/queue/approve-product", {"id": product["id"]})
    assert refused.status == 403
    assert await status_of(client, product, seller) == "pending"
