"""The seller desk in a browser without script."""

from secrets import token_hex

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import PASSWORD
from tests.waiting import until
from tests.web.page_client import PageClient

pytestmark = pytest.mark.pages

NEW = "/sell/product/new"
DESCRIPTION = "Made by hand in small numbers, each a little different from the other."


async def test_seller_opens_a_shop_and_adds_a_product_while_it_is_reviewed(browser: PageClient) -> None:
    name = f"Kiln {token_hex(4)}"
    page = await browser.get("/sign-in?next=/sell")
    page = await browser.submit(
        page, "/sign-up", name="Ines", email=f"{name[5:]}@desk.nextbuy.test", role="seller", password=PASSWORD
    )

    refused = await browser.submit(page, "/sell/open", name=name, category=" ", bio="Thrown by hand.")
    assert (refused.status, refused.form("/sell/open").fields["bio"]) == (422, "Thrown by hand.")
    page = await browser.submit(refused, "/sell/open", category="ceramics")
    assert (page.path, "sent for review" in page.text, name in page.text) == ("/sell", True, True)
    page = await browser.get(NEW)
    assert page.form(NEW).fields["category"] == "ceramics"
    page = await browser.submit(page, NEW, title="Speckled bowl", description=DESCRIPTION, price="28", stock="3")

    assert "The product is saved." in page.text
    assert "Speckled bowl" in (await browser.get("/sell/products")).text


async def test_rejected_product_names_the_word_and_is_for_sale_without_it(
    browser: PageClient, client: JourneyClient
) -> None:
    await browser.sign_in((await client.new_seller()).email, PASSWORD)

    page = await browser.submit(
        await browser.get(NEW), NEW, title="Pirated film", description=DESCRIPTION, price="12.50", stock="40"
    )
    desk = await browser.get("/sell")
    assert all("Rejected" in shown.text and "“Pirated” in the title" in shown.text for shown in (page, desk))
    page = await browser.submit(page, page.path, title="Film about potters", tags="film, pottery")

    assert "For sale" in page.text
    assert page.form(page.path).fields["price"] == "12.50"
    assert page.form(page.path).fields["tags"] == "film, pottery"
    assert "Film about potters" not in (await browser.get("/sell")).text


async def test_wrong_price_and_stock_are_marked_and_what_was_typed_stays(
    browser: PageClient, client: JourneyClient
) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    await browser.sign_in(seller.email, PASSWORD)
    path = f"/sell/product/{product['id']}"

    refused = await browser.submit(await browser.get(path), path, title="A taller bowl", price="cheap", stock="-1")

    typed = refused.form(path).fields
    assert (refused.status, typed["title"], typed["price"], typed["stock"]) == (422, "A taller bowl", "cheap", "-1")
    assert refused.html.count('aria-invalid="true"') == 2
    assert (await browser.get(path)).form(path).fields["title"] == product["title"]


async def test_change_in_another_window_is_shown_and_not_overwritten(
    browser: PageClient, client: JourneyClient
) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    await browser.sign_in(seller.email, PASSWORD)
    path = f"/sell/product/{product['id']}"
    here = await browser.get(path)
    await browser.submit(here, path, price="29.00", tags="blue")

    stale = await browser.submit(here, path, title="A blue bowl", tags="bowl")

    typed = stale.form(path).fields
    assert (stale.status, "The price is now $29.00." in stale.text) == (412, True)
    assert (typed["title"], typed["price"], typed["tags"]) == ("A blue bowl", "29.00", "bowl")
    saved = (await browser.submit(stale, path)).form(path).fields
    assert (saved["title"], saved["price"], saved["tags"]) == ("A blue bowl", "29.00", "bowl")


async def test_sale_does_not_stand_in_the_way_of_another_title(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller, stock=10)
    await browser.sign_in(seller.email, PASSWORD)
    path = f"/sell/product/{product['id']}"
    here = await browser.get(path)
    [order] = await client.buy(await client.new_buyer(), [(product, 7)])

    page = await browser.submit(here, path, title="A bowl that sells")

    assert (page.status, page.form(path).fields["stock"]) == (200, "3")
    for path in ("/sell", "/sell/orders"):
        listed = await browser.get(path)
        assert f"/order/{order}" in [href for href, _ in listed.links]
    low = await browser.get("/sell/products?stock=low&q=that+sells")
    assert ("A bowl that sells" in low.text, "7 sold" in low.text) == (True, True)
    assert "No products match" in (await browser.get("/sell/products?status=rejected")).text

    async def is_counted() -> bool:
        return "$196.00" in (await browser.get("/figures")).text

    await until(is_counted, "the figures show the sale")


async def test_desk_of_another_seller_is_closed(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product()
    path = f"/sell/product/{product['id']}"
    await browser.sign_in((await client.new_seller()).email, PASSWORD)
    assert [(await browser.get(path)).status, (await browser.post(path, {"title": "Mine"})).status] == [404, 404]

    await browser.sign_in((await client.new_buyer()).email, PASSWORD)

    assert "This account cannot sell" in (await browser.get("/sell")).text
    assert [(await browser.get(f"/sell/{name}")).status for name in ("products", "product/new", "orders")] == [403] * 3
