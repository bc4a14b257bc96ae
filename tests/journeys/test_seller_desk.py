"""The seller desk in a browser without script."""

from secrets import token_hex

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import PASSWORD
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages

NEW = "/sell/product/new"
DESCRIPTION = "Made by hand in small numbers, each a little different from the other."


def acts(page: Page, path: str) -> list[str]:
    """Return the acts that a page offers on the product at a path."""
    return [form.action.removeprefix(f"{path}/") for form in page.forms if form.action.startswith(f"{path}/")]


async def test_seller_opens_a_shop_and_adds_a_product_while_it_is_reviewed(browser: PageClient) -> None:
    name = f"Kiln {token_hex(4)}"
    page = await browser.get("/sign-in?next=/sell")
    page = await browser.submit(
        page, "/sign-up", name="Ines", email=f"{name[5:]}@desk.nextbuy.test", role="seller", password=PASSWORD
    )

    refused = await browser.submit(page, "/sell/open", name=name, category=" ", bio="Thrown by hand.")
    assert (refused.status, refused.form("/sell/open").fields["bio"]) == (422, "Thrown by hand.")
    page = await browser.submit(refused, "/sell/open", category="ceramics")
    assert (page.path, "We review your shop before it opens" in page.text, name in page.text) == ("/sell", True, True)
    after_back = await browser.submit(refused, "/sell/open", category="glass")
    assert (after_back.status, "You already have a shop." in after_back.text) == (409, True)
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


async def test_new_name_of_the_shop_reaches_its_page_and_its_products(
    browser: PageClient, client: JourneyClient
) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    await browser.sign_in(seller.email, PASSWORD)
    page, name = await browser.get("/sell/shop"), f"Kiln {token_hex(4)}"

    refused = await browser.submit(page, "/sell/shop", name=" ", contact="hello@kiln.example")
    assert (refused.status, refused.form("/sell/shop").fields["contact"]) == (422, "hello@kiln.example")
    saved = await browser.submit(refused, "/sell/shop", name=name)

    assert ("The shop is saved." in saved.text, saved.form("/sell/shop").fields["name"]) == (True, name)
    async with PageClient.connect(browser.url) as stranger:
        shop = await stranger.get(f"/shop/{product['shop_slug']}")
        assert (shop.status, name in shop.text, "Contact: hello@kiln.example" in shop.text) == (200, True, True)

        async def is_renamed() -> bool:
            return name in (await stranger.get(f"/product/{product['slug']}")).text

        await until(is_renamed, "the product has the new name of its shop")


async def test_product_off_sale_is_hidden_until_it_is_back(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    await browser.sign_in(seller.email, PASSWORD)
    path, shown = f"/sell/product/{product['id']}", f"/product/{product['slug']}"

    page = await browser.submit(await browser.get(path), f"{path}/take-off-sale")

    assert (page.path, "The product is off sale." in page.text, "Off sale" in page.text) == (path, True, True)
    assert "Only the shop and admins see this page." in (await browser.get(shown)).text
    assert product["title"] in (await browser.get("/sell/products?status=off-sale")).text
    async with PageClient.connect(browser.url) as stranger:
        assert (await stranger.get(shown)).status == 404
        listed = await browser.submit(await browser.get("/sell/products?stock=&q="), f"{path}/put-on-sale")
        assert (listed.path, "The product is offered again." in listed.text) == ("/sell/products", True)
        assert (await stranger.get(shown)).status == 200


async def test_rejected_product_has_one_status_and_only_acts_with_an_effect(
    browser: PageClient, client: JourneyClient
) -> None:
    await browser.sign_in((await client.new_seller()).email, PASSWORD)
    page = await browser.submit(
        await browser.get(NEW), NEW, title="Pirated film", description=DESCRIPTION, price="12.50", stock="40"
    )
    path = page.path

    assert acts(page, path) == ["duplicate", "archive"]
    off_sale = await browser.post(f"{path}/take-off-sale", {})
    assert ("Buyers do not see it." in off_sale.text, off_sale.html.count('class="badge')) == (True, 1)
    assert acts(off_sale, path) == ["duplicate", "archive"]
    offered = await browser.post(f"{path}/put-on-sale", {})
    assert ("is still rejected" in offered.text, "offered again" in offered.text) == (True, False)
    await browser.post(f"{path}/archive", {})
    restored = await browser.post(f"{path}/restore", {})
    assert ("is restored, but still rejected" in restored.text, "put it on sale." in restored.text) == (True, True)
    accepted = await browser.submit(restored, path, title="Film about potters", tags="film")
    assert acts(accepted, path) == ["put-on-sale", "duplicate", "archive"]


async def test_pending_product_is_withdrawn_from_review(browser: PageClient, client: JourneyClient) -> None:
    await browser.sign_in((await client.new_seller()).email, PASSWORD)
    fields = {"title": "Herbal balm", "description": DESCRIPTION, "category": "cosmetics", "price": "9", "stock": "4"}
    waiting = await browser.submit(await browser.get(NEW), NEW, 0, **fields)
    path = waiting.path

    withdrawn = await browser.submit(waiting, f"{path}/take-off-sale")
    offered = await browser.submit(withdrawn, f"{path}/put-on-sale")

    assert "Withdraw from review" in waiting.text
    assert "Buyers do not see it." in withdrawn.text
    assert ("is waiting for review" in offered.text, "offered again" in offered.text) == (True, False)


async def test_archived_product_is_gone_for_buyers_and_stays_in_their_orders(
    browser: PageClient, client: JourneyClient
) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    product = await client.new_product(seller)
    [order] = await client.buy(buyer, [(product, 1)])
    await browser.sign_in(seller.email, PASSWORD)
    path, shown = f"/sell/product/{product['id']}", f"/product/{product['slug']}"
    async with PageClient.connect(browser.url) as shopper:
        await shopper.sign_in(buyer.email, PASSWORD, wanted=shown)
        await shopper.submit(await shopper.get(shown), "/basket/add")

        page = await browser.submit(await browser.get("/sell/products"), f"{path}/archive")
        assert (page.path, "The product is archived." in page.text) == ("/sell/products", True)
        assert f"{path}/restore" not in [form.action for form in page.forms]

        gone = await shopper.get(shown)
        assert (gone.status, product["title"] in gone.text, "no longer sells" in gone.text) == (410, True, True)
        assert {f"/shop/{product['shop_slug']}", f"/category/{product['category']}"} <= {href for href, _ in gone.links}
        assert "No longer for sale. Remove it to check out." in (await shopper.get("/basket")).text
        assert product["title"] in (await shopper.get(f"/order/{order}")).text

        archived = await browser.get("/sell/products?status=archived")
        restored = await browser.submit(archived, f"{path}/restore")
        assert "It is off sale until you put it on sale." in restored.text
        assert (await shopper.get(shown)).status == 404


async def test_copy_of_a_product_is_off_sale_and_made_once(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    await browser.sign_in(seller.email, PASSWORD)
    path = f"/sell/product/{product['id']}"
    page = await browser.get(path)

    copy, again = [await browser.submit(page, f"{path}/duplicate") for _ in range(2)]

    assert (copy.path == again.path, copy.path == path) == (True, False)
    fields = copy.form(copy.path).fields
    assert (fields["title"], fields["stock"], "Off sale" in copy.text) == (product["title"], "0", True)


async def test_desk_of_another_seller_is_closed(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product()
    path = f"/sell/product/{product['id']}"
    await browser.sign_in((await client.new_seller()).email, PASSWORD)
    assert [(await browser.get(path)).status, (await browser.post(path, {"title": "Mine"})).status] == [404, 404]
    assert {(await browser.post(f"{path}/{act}", {})).status for act in ("archive", "duplicate", "nothing")} == {404}

    await browser.sign_in((await client.new_buyer()).email, PASSWORD)

    assert "This account cannot sell" in (await browser.get("/sell")).text
    assert [(await browser.get(f"/sell/{name}")).status for name in ("products", "product/new", "orders")] == [403] * 3
