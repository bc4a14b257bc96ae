"""A buyer's one open checkout on the pages: it is continued, replaced or cancelled, and a decline loses nothing."""

import pytest

from tests.journeys.journey_client import BAD_CARD, GOOD_CARD, JourneyClient, Json
from tests.journeys.marketplace import PASSWORD
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages
ADDRESS = {
    "full_name": "Ada Winter",
    "line1": "12 Harbour Street",
    "postal_code": "97201",
    "city": "Portland",
    "country": "United States",
}


async def basket_with(browser: PageClient, product: Json, quantity: int) -> Page:
    """Put units of a product into the basket of a new buyer, and return the basket."""
    page = await browser.get(f"/product/{product['slug']}")
    await browser.submit(page, "/basket/add", quantity=str(quantity))
    return await browser.sign_up(f"buyer-{product['id']}@journeys.nextbuy.test", PASSWORD, wanted="/basket")


async def pay(browser: PageClient, page: Page, card: str) -> Page:
    """Pay on the provider's page."""
    form = next(form for form in page.forms if "card_number" in form.fields)
    return await browser.post(page.url, {**form.fields, "card_number": card})


def continuing(page: Page) -> list[str]:
    """Return the links to the payment page."""
    return [href for href, text in page.links if text == "Continue payment"]


async def thanked(browser: PageClient, page: Page) -> Page:
    """Follow the link of the payment page back, until the payment is confirmed."""
    [back] = [href for href, _ in page.links if "/session/" in href]

    async def is_paid() -> bool:
        return "Thank you" in (await browser.get(back)).text

    await until(is_paid, "the payment is confirmed")
    return await browser.get(back)


async def test_two_tabs_pay_once(browser: PageClient, client: JourneyClient) -> None:
    basket = await basket_with(browser, await client.new_product(stock=3), 3)
    first = await browser.submit(basket, "/check-out")
    second = await browser.submit(basket, "/check-out", key="the form of another tab")

    refused = await pay(browser, first, GOOD_CARD)
    assert (refused.status, "This checkout was cancelled" in refused.text) == (409, True)
    await thanked(browser, await pay(browser, second, GOOD_CARD))

    orders = {href for href, _ in (await browser.get("/orders")).links if href.startswith("/order/")}
    assert len(orders) == 1
    assert continuing(await browser.get("/")) == []


async def test_postal_address_is_corrected_in_a_basket_to_which_back_has_led(
    browser: PageClient, client: JourneyClient
) -> None:
    basket = await basket_with(browser, await client.new_product(), 1)
    first = await browser.submit(basket, "/check-out", 0, **ADDRESS)
    assert (await browser.submit(basket, "/check-out", 0, **ADDRESS)).url == first.url

    corrected = await browser.submit(basket, "/check-out", 0, **{**ADDRESS, "line1": "13 Harbour Street"})
    page = await thanked(browser, await pay(browser, corrected, GOOD_CARD))

    [order] = {href for href, _ in page.links if href.startswith("/order/")}
    assert "13 Harbour Street" in (await browser.get(order)).text


async def test_declined_card_is_retried_and_the_postal_address_stays(
    browser: PageClient, client: JourneyClient
) -> None:
    basket = await basket_with(browser, await client.new_product(), 1)
    paying = await browser.submit(basket, "/check-out", 0, **ADDRESS)
    declined = await pay(browser, paying, BAD_CARD)
    assert "declined and not charged" in declined.text
    [back] = [href for href, _ in declined.links if "/session/" in href]

    async def says_declined() -> bool:
        return "declined" in (await browser.get(back)).text

    await until(says_declined, "the decline is shown")
    returned = await browser.get(back)
    assert continuing(returned)
    assert [href for href, text in returned.links if text == "Check again"] == [returned.path]
    basket = await browser.get("/basket")
    form = basket.form("/check-out")
    assert {name: form.fields[name] for name in ADDRESS} == ADDRESS
    assert "declined" in basket.text

    again = await browser.get(continuing(basket)[0])
    page = await thanked(browser, await pay(browser, again, GOOD_CARD))

    [order] = {href for href, _ in page.links if href.startswith("/order/")}
    assert ADDRESS["line1"] in (await browser.get(order)).text


async def test_cancelled_checkout_gives_its_units_back_at_once(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product(stock=2)
    await browser.submit(await basket_with(browser, product, 2), "/check-out")
    other = await client.new_buyer()
    assert (await client.checkout(other, [(product, 1)])).status == 409

    page = await browser.get("/basket")
    assert "2 items for $56.00 are reserved for you" in page.text
    assert "Sold out" not in page.text
    assert len(continuing(page)) == 2
    assert len(continuing(await browser.get("/"))) == 1
    [cancel] = {form.action for form in page.forms if form.action.endswith("/cancel")}
    page = await browser.submit(page, cancel)

    assert (page.path, "Your checkout is cancelled" in page.text) == ("/basket", True)
    assert continuing(page) == []
    assert "This checkout was cancelled" in (await browser.get(cancel.removesuffix("/cancel"))).text
    await client.open_session(other, [(product, 2)])
