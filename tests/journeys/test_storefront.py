"""The storefront in a browser without script: all of it works by links and forms."""

import asyncio

import pytest

from tests.journeys.journey_client import GOOD_CARD, JourneyClient
from tests.journeys.marketplace import PASSWORD
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages


async def test_stranger_reads_every_public_page(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)

    async def is_shown() -> bool:
        return product["title"] in (await browser.get("/")).text

    await until(is_shown, "the home page shows the new product")
    home = await browser.get("/")
    assert seller.shop["name"] in home.text
    category = await browser.get(f"/category/{product['category']}")
    assert (category.status, product["title"] in category.text) == (200, True)
    search = await browser.get(f"/search?q={product['title'].replace(' ', '+')}")
    assert (search.status, product["title"] in search.text) == (200, True)
    shop = await browser.get(f"/shop/{seller.shop['slug']}")
    assert (shop.status, product["title"] in shop.text, seller.shop["bio"] in shop.text) == (200, True, True)
    shown = await browser.get(f"/product/{product['slug']}")
    assert (shown.status, shown.title) == (200, f"{product['title']} · NextBuy")
    assert "$28.00" in shown.text
    assert '<link rel="modulepreload" href="/assets/activity.' in shown.html


async def test_id_leads_to_the_one_url_of_a_product_and_a_shop(browser: PageClient, client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)

    assert (await browser.get(f"/product/{product['id']}")).path == f"/product/{product['slug']}"
    assert (await browser.get(f"/shop/{seller.shop['id']}")).path == f"/shop/{seller.shop['slug']}"


@pytest.mark.parametrize(
    "path", ["/nothing", "/product/no-such-mug", "/shop/no-such-shop", "/category/no-such-goods", "/assets/x.css"]
)
async def test_missing_page_is_404_and_leads_home(browser: PageClient, path: str) -> None:
    page = await browser.get(path)

    assert page.status == 404
    assert "/" in [href for href, _ in page.links]


@pytest.mark.parametrize("prices", ["price_min=50&price_max=10", "price_min=mug", "price_min=0&price_max=100000000"])
async def test_list_stays_open_for_any_typed_prices(browser: PageClient, client: JourneyClient, prices: str) -> None:
    shop = (await client.new_seller()).shop

    page = await browser.get(f"/shop/{shop['slug']}?{prices}")

    assert (page.status, shop["name"] in page.text) == (200, True)


async def test_guest_buys_from_two_shops(browser: PageClient, client: JourneyClient) -> None:
    sellers = [await client.new_seller() for _ in range(2)]
    shops = {seller.shop["name"] for seller in sellers}
    products = [await client.new_product(seller) for seller in sellers]
    for product in products:
        page = await browser.get(f"/product/{product['slug']}")
        await browser.submit(page, "/basket/add", quantity="2")
    page = await browser.get("/basket")
    assert all(product["title"] in page.text for product in products)
    assert "$112.00" in page.text

    page = await browser.sign_up(f"guest-{products[0]['id']}@journeys.nextbuy.test", PASSWORD, wanted="/basket")

    assert page.path == "/basket"
    assert all(product["title"] in page.text for product in products)
    page = await browser.submit(page, "/check-out")
    form = next(form for form in page.forms if "card_number" in form.fields)
    page = await browser.post(page.url, {**form.fields, "card_number": GOOD_CARD})
    [back] = [href for href, _ in page.links if "/session/" in href]

    async def is_paid() -> bool:
        return "Thank you" in (await browser.get(back)).text

    await until(is_paid, "the payment is confirmed")
    page = await browser.get(back)
    assert "is confirmed. It was split into 2 orders" in page.text
    assert shop_names(page) == shops
    assert "Your basket is empty" in (await browser.get("/basket")).text
    listed = await browser.get("/orders")
    numbers = [text for href, text in listed.links if href.startswith("/order/")]
    assert (len(numbers), shop_names(listed)) == (2, shops)
    [order] = [href for href, text in listed.links if text == numbers[0]]
    page = await browser.get(order)
    assert ("Order placed" in page.text, len(shop_names(page) & shops)) == (True, 1)


def shop_names(page: Page) -> set[str]:
    return {text for href, text in page.links if href.startswith("/shop/")}


async def test_quantity_is_changed_and_a_line_is_removed(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product(stock=5)
    page = await browser.get(f"/product/{product['slug']}")
    page = await browser.submit(page, "/basket/add", quantity="1")

    page = await browser.submit(page, "/basket/change", quantity="3")
    assert "$84.00" in page.text
    page = await browser.submit(page, "/basket/change", remove="yes")
    assert "Your basket is empty" in page.text


async def test_basket_that_changed_in_another_tab_is_not_overwritten(
    browser: PageClient, client: JourneyClient
) -> None:
    product = await client.new_product(stock=5)
    page = await browser.get(f"/product/{product['slug']}")
    here = await browser.submit(page, "/basket/add", quantity="1")
    await browser.submit(here, "/basket/change", quantity="4")

    refused = await browser.submit(here, "/basket/change", quantity="2")

    assert (refused.status, "another window" in refused.text) == (412, True)
    assert "$112.00" in (await browser.get("/basket")).text


async def test_wrong_password_is_explained_and_what_was_typed_stays(browser: PageClient) -> None:
    page = await browser.get("/sign-in")

    page = await browser.submit(page, "/sign-in", email="nobody@journeys.nextbuy.test", password="wrong")

    assert page.status == 401
    assert page.form("/sign-in").fields["email"] == "nobody@journeys.nextbuy.test"
    assert page.form("/sign-in").fields["password"] == ""


@pytest.mark.parametrize("path", ["/orders", "/notifications", "/sell", "/admin", "/trace?id=x"])
async def test_page_of_an_account_leads_to_sign_in_and_back(
    browser: PageClient, client: JourneyClient, path: str
) -> None:
    buyer = await client.new_buyer()

    page = await browser.get(path)
    assert page.path == "/sign-in"
    page = await browser.submit(page, "/sign-in", email=buyer.email, password=PASSWORD)

    assert page.path == path.partition("?")[0]


async def test_form_of_another_site_changes_nothing(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product()

    refused = await browser.post(
        "/basket/add", {"product_id": product["id"], "quantity": "1"}, origin="http://evil.example"
    )

    assert refused.status == 403
    assert "Your basket is empty" in (await browser.get("/basket")).text


async def test_twenty_pages_at_once_renew_an_expired_session_once(browser: PageClient, client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    page = await browser.get("/sign-in?next=/orders")
    await browser.submit(page, "/sign-in", email=buyer.email, password=PASSWORD)
    before = browser.cookies["nextbuy_refresh"]
    browser.drop_cookie("nextbuy_access")

    pages = await asyncio.gather(*(browser.get("/orders") for _ in range(20)))

    assert {page.path for page in pages} == {"/orders"}
    assert browser.cookies["nextbuy_refresh"] != before
    client.market.secrets |= {before, browser.cookies["nextbuy_refresh"], browser.cookies["nextbuy_access"]}
    assert (await browser.get("/orders")).path == "/orders"


async def test_signing_out_leaves_nothing_in_the_browser(browser: PageClient, client: JourneyClient) -> None:
    product = await client.new_product()
    page = await browser.sign_up(f"leaves-{product['id']}@journeys.nextbuy.test", PASSWORD, wanted="/")
    page = await browser.get(f"/product/{product['slug']}")
    page = await browser.submit(page, "/basket/add", quantity="1")

    page = await browser.submit(page, "/sign-out")

    assert {"nextbuy_access", "nextbuy_refresh", "nextbuy_csrf", "nextbuy_basket"} & set(browser.cookies) == set()
    assert "Your basket is empty" in (await browser.get("/basket")).text


async def test_lost_password_is_replaced_by_the_link_in_a_mail(browser: PageClient, client: JourneyClient) -> None:
    buyer, admin = await client.new_buyer(), await client.admin()
    page = await browser.get("/forgot-password")
    page = await browser.submit(page, "/forgot-password", email=buyer.email)
    assert "Check your e-mail" in page.text
    links: list[str] = []

    async def has_arrived() -> bool:
        mails = await client.get("/notification/api/mails?limit=50", admin)
        for mail in mails["items"]:
            if mail["account_id"] == buyer.id and mail["kind"] == "password-reset" and mail["status"] == "stored":
                body = (await client.get(f"/notification/api/mails/{mail['id']}", admin))["body"]
                links.extend(word for word in body.split() if "/reset-password?token=" in word)
        return bool(links)

    await until(has_arrived, "the mail with the link is stored")
    client.market.secrets.add(links[0].partition("token=")[2])
    page = await browser.get(links[0])
    assert page.headers["referrer-policy"] == "no-referrer"
    new = "another-long-passphrase-42"
    page = await browser.submit(page, "/reset-password", password=new)
    assert "Your password is changed" in page.text

    page = await browser.get("/sign-in?next=/orders")
    assert (await browser.submit(page, "/sign-in", email=buyer.email, password=PASSWORD)).status == 401
    assert (await browser.submit(page, "/sign-in", email=buyer.email, password=new)).path == "/orders"


async def test_operator_finds_why_a_payment_failed(browser: PageClient, client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    session = await client.open_session(buyer, [(await client.new_product(), 1)])
    await client.pay(session, "4000000000000002")
    admin = await client.admin()
    page = await browser.get(f"/sign-in?next=/trace?id={session['session_id']}")
    page = await browser.submit(page, "/sign-in", email=admin.email, password=PASSWORD)

    async def is_explained() -> bool:
        return "declined" in (await browser.get(f"/trace?id={session['session_id']}")).text

    await until(is_explained, "the trace names the reason")
    assert "<svg" in (await browser.get(f"/trace?id={session['session_id']}")).html


async def test_tab_of_another_account_checks_nothing_out(browser: PageClient, client: JourneyClient) -> None:
    product, ann, bob = await client.new_product(), await client.new_buyer(), await client.new_buyer()
    await browser.sign_in(ann.email, PASSWORD, wanted="/")
    page = await browser.get(f"/product/{product['slug']}")
    tab = await browser.submit(page, "/basket/add", quantity="1")
    page = await browser.sign_in(bob.email, PASSWORD, wanted=f"/product/{product['slug']}")
    await browser.submit(page, "/basket/add", quantity="1")

    refused = await browser.submit(tab, "/check-out")

    assert refused.status == 409
    assert "Another account is signed in" in refused.text
    assert bob.name in refused.text
    assert (await client.get("/order/api/user-orders", bob))["items"] == []
    page = await browser.submit(await browser.get("/basket"), "/check-out")
    assert any("card_number" in form.fields for form in page.forms)


async def test_page_explains_that_a_browser_keeps_no_cookies(client: JourneyClient) -> None:
    product, buyer = await client.new_product(), await client.new_buyer()
    async with PageClient.connect(client.market.url, keeps_cookies=False) as browser:
        page = await browser.sign_in(buyer.email, PASSWORD, wanted="/orders")
        assert (page.path, "your browser blocks cookies" in page.text) == ("/sign-in", True)
        assert page.form("/sign-in").fields["next"] == "/orders"

        page = await browser.submit(await browser.get(f"/product/{product['slug']}"), "/basket/add", quantity="1")
        assert (page.path, "your browser blocks cookies" in page.text) == ("/basket", True)
