"""The basket page in a browser without script."""

from secrets import token_hex

import pytest

from tests.journeys.journey_client import JourneyClient, Json
from tests.journeys.marketplace import PASSWORD
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages

FIELDS = ("full_name", "line1", "postal_code", "city", "country")


async def add(browser: PageClient, product: Json, quantity: int) -> Page:
    """Add units of a product to the basket."""
    page = await browser.get(f"/product/{product['slug']}")
    return await browser.submit(page, "/basket/add", quantity=str(quantity))


def email() -> str:
    """Return the e-mail address of a new buyer."""
    return f"ada-{token_hex(6)}@journeys.nextbuy.test"


async def test_addition_is_confirmed_until_the_next_change(browser: PageClient, client: JourneyClient) -> None:
    added = await add(browser, await client.new_product(), 1)
    changed = await browser.submit(added, "/basket/change", quantity="2")

    assert "The product is in your basket." in added.text
    assert '<a href="/basket" aria-current="page">' in added.html
    assert "The product is in your basket." not in changed.text


async def test_items_that_cannot_be_bought_are_in_no_sum(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    bowl, vase = [await client.new_product(seller, stock=5, price=price) for price in (4_600, 2_000)]
    await add(browser, bowl, 5)
    await client.request("PUT", f"/product/api/update-product/{bowl['id']}", {"stock": 4}, who=seller)

    alone = await browser.get("/basket")
    mixed = await add(browser, vase, 3)
    bought = await browser.submit(mixed, "/basket/change", quantity="4")

    assert "Only 4 left. Reduce the quantity." in alone.text
    assert [text for text in ("$230.00", "$0.00", "Subtotal", "Total", "5 items") if text in alone.text] == []
    assert "No product in your basket can be bought now." in alone.text
    sums = ("Subtotal $60.00", "3 items Total $60.00", "1 product cannot be bought now and is not in the total.")
    assert [text for text in sums if text not in mixed.text] == []
    assert "$230.00" not in mixed.text
    assert ("7 items" in bought.text, "Total $244.00" in bought.text) == (True, True)


async def test_half_a_postal_address_is_marked_field_by_field(browser: PageClient, client: JourneyClient) -> None:
    await add(browser, await client.new_product(), 1)
    basket = await browser.sign_up(email(), PASSWORD, wanted="/basket")

    refused = await browser.submit(basket, "/check-out", full_name="Ada Winter", city=" ")
    saved = await browser.post("/account/address", {"full_name": "Ada Winter"})

    for page, form in ((refused, "/check-out"), (saved, "/account/address")):
        assert (page.status, page.form(form).fields["full_name"]) == (422, "Ada Winter")
        assert page.html.count('aria-invalid="true"') == len(FIELDS) - 1
        assert "Enter the city." in page.text
    assert "Complete the postal address, or leave all of it empty." in refused.text
    assert "optional" not in basket.text
    paying = await browser.submit(refused, "/check-out", full_name="")
    assert any("card_number" in form.fields for form in paying.forms)
