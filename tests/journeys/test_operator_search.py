"""Operators find what a person asks about: by e-mail address, number, title or id, in a browser without script."""

from urllib.parse import quote

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import ADMIN, PASSWORD
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages
DECLINED_CARD = "4000000000000002"
TIMEOUT = 40.0
"""Seconds until an event is indexed: the first of a topic is slow on Kafka."""


@pytest.fixture
async def browser(browser: PageClient) -> PageClient:
    """A browser in which the operator is signed in."""
    await browser.sign_in(ADMIN, PASSWORD)
    return browser


async def find(browser: PageClient, text: str, result: str) -> Page:
    """Search until the results have a text: the index follows events."""
    pages: list[Page] = []

    async def found() -> bool:
        pages.append(await browser.get(f"/admin/search?q={quote(text)}"))
        return result in pages[-1].text

    await until(found, f"a search for {text} finds {result}")
    return pages[-1]


def link(page: Page, name: str) -> str:
    """Return the path of the first link with this name."""
    return next(href for href, text in page.links if text.split("\xa0")[0] == name)


async def test_support_finds_why_a_payment_failed_from_email_alone(browser: PageClient, client: JourneyClient) -> None:
    buyer, seller = await client.new_buyer(), await client.new_seller()
    session = await client.open_session(buyer, [(await client.new_product(seller), 1)])
    await client.pay(session, DECLINED_CARD)

    home = await browser.get("/admin")
    results = await browser.get(f"{home.form('/admin/search').action}?q={quote(buyer.email)}")
    [path] = [href for href, _ in results.links if href.startswith("/admin/person/")]
    assert path == f"/admin/person/{buyer.id}"

    async def declined() -> bool:
        return "The card was declined." in (await browser.get(path)).text

    await until(declined, "the page of the person says why the payment failed", timeout=TIMEOUT)
    person = await browser.get(path)
    trace = next(href for href, _ in person.links if session["session_id"] in href)

    async def traced() -> bool:
        return "Messages between services" in (await browser.get(trace)).text

    await until(traced, "the trace shows what happened across services")
    assert trace.startswith("/trace?")


async def test_orders_and_abandoned_payments_are_counted_and_listed(browser: PageClient, client: JourneyClient) -> None:
    buyer, seller = await client.new_buyer(), await client.new_seller()
    product = await client.new_product(seller)
    [order_id] = await client.buy(buyer, [(product, 1)])
    number = (await client.get(f"/order/api/order-details/{order_id}", buyer))["order"]["number"]
    session = await client.open_session(buyer, [(product, 1)])
    await client.pay(session, DECLINED_CARD)
    pages: list[Page] = []

    async def listed(kind: str, text: str) -> None:
        async def is_listed() -> bool:
            overview = await browser.get("/admin/orders")
            pages.append(await browser.get(link(overview, kind)))
            return text in pages[-1].html

        await until(is_listed, f"{text} is listed", timeout=TIMEOUT)

    await listed("Paid", number)
    assert link(pages[-1], number) == f"/order/{order_id}"
    await listed("Waiting for payment", f"/trace?id={session['session_id']}")
    assert f"/admin/person/{buyer.id}" in dict(pages[-1].links)
    await client.post(f"/order/api/cancel-payment-session/{session['session_id']}", {}, buyer, status=200)
    await listed("Cancelled", f"/trace?id={session['session_id']}")
    assert "The checkout was cancelled." in pages[-1].text


async def test_order_product_and_shop_are_found_and_lead_to_their_pages(
    browser: PageClient, client: JourneyClient
) -> None:
    buyer, seller = await client.new_buyer(), await client.new_seller()
    product = await client.new_product(seller)
    [order_id] = await client.buy(buyer, [(product, 1)])
    order = (await client.get(f"/order/api/order-details/{order_id}", buyer))["order"]

    page = await find(browser, order["number"].lower(), order["number"])
    assert (await browser.get(link(page, order["number"]))).path == f"/order/{order_id}"
    page = await find(browser, product["title"], product["title"])
    assert product["title"] in (await browser.get(link(page, product["title"]))).text
    page = await find(browser, seller.shop["name"], seller.shop["name"])
    assert seller.shop["name"] in (await browser.get(link(page, seller.shop["name"]))).title


async def test_operator_suspends_and_reinstates_a_person_with_a_reason(
    browser: PageClient, client: JourneyClient
) -> None:
    buyer = await client.new_buyer()
    page = await browser.get(f"/admin/person/{buyer.id}")

    page = await browser.submit(page, "/admin/person/suspend-account", reason="  ")
    assert (page.status, "Enter a text." in page.text or "Blank" in page.text) == (422, True)
    page = await browser.submit(page, "/admin/person/suspend-account", reason="Paid with a stolen card.")
    assert "The account is suspended" in page.text
    assert (await client.request("GET", "/order/api/user-orders", who=buyer)).status == 403
    page = await browser.submit(page, "/admin/person/reinstate-account", reason="The bank confirmed the owner.")

    assert "The account is reinstated." in page.text
    await client.login(buyer.email)

    async def audited() -> bool:
        acts = (await browser.get(f"/admin/audit?subject={buyer.id}")).text
        return all(text in acts for text in ("Paid with a stolen card.", "active → suspended", "The bank confirmed"))

    await until(audited, "the audit shows both decisions and why")


async def test_operator_suspends_and_reinstates_a_shop(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    page = await find(browser, seller.email, seller.email)
    path = link(page, next(text for href, text in page.links if href.startswith("/admin/person/")))

    async def status() -> str:
        return str((await client.get("/seller/api/my-shop", seller))["shop"]["status"])

    async def offered(form: str) -> bool:
        return form in [one.action for one in (await browser.get(path)).forms]

    for name, expected in (("suspend-seller", "suspended"), ("reinstate-seller", "approved")):
        action = f"/admin/person/{name}"
        await until(lambda action=action: offered(action), f"{name} is offered")  # type: ignore[misc]
        page = await browser.submit(await browser.get(path), action, reason="A test of the desk.")
        assert page.status == 200
        assert await status() == expected


async def test_search_is_for_operators_and_says_what_it_needs(browser: PageClient, client: JourneyClient) -> None:
    assert (await browser.get("/admin/search?q=a")).status == 422
    empty = await browser.get("/admin/search?q=nothing-is-called-this")
    assert (empty.status, "Nothing found" in empty.text) == (200, True)
    buyer = await client.new_buyer()
    assert (await client.request("GET", "/admin/api/search?q=bo", who=buyer)).status == 403
    assert (await browser.get(f"/admin/person/{buyer.id[::-1]}")).status == 404
