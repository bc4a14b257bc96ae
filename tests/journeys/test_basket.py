"""A basket is filled by a guest, taken along to an account, paid, and gone from the browser after the logout."""

import asyncio
from http.cookies import SimpleCookie

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import JourneyClient, Json, Person, Response
from tests.journeys.marketplace import PASSWORD
from tests.waiting import until


class Browser:
    """A browser: it keeps cookies, and sends the CSRF token as the pages do."""

    def __init__(self, client: JourneyClient) -> None:
        self._client = client
        self.jar: dict[str, str] = {}

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Response:
        """Send a request with the cookies, and keep the cookies of the response."""
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}
        csrf = {"X-CSRF-Token": self.jar["nextbuy_csrf"]} if "nextbuy_csrf" in self.jar else {}
        response = await self._client.request(method, path, body, headers={**cookie, **csrf, **headers})
        for header in response.headers.getall("Set-Cookie", []):
            for name, morsel in SimpleCookie(header).items():
                self.jar.pop(name, None)
                if morsel.value:
                    self.jar[name] = morsel.value
                    self._client.market.secrets.add(morsel.value)
        return response

    async def basket(self) -> Json:
        """Return the basket."""
        response = await self.send("GET", "/order/api/basket")
        assert response.status == 200, response.body
        basket: Json = response.json
        return basket

    async def add(self, product: Json, quantity: int) -> Response:
        """Add units of a product."""
        return await self.send("POST", "/order/api/add-to-basket", {"product_id": product["id"], "quantity": quantity})

    async def login(self, email: str) -> Person:
        """Log in, for cookies."""
        body = {"email": email, "password": PASSWORD}
        response = await self.send("POST", "/auth/api/login", body, **{"X-NextBuy-Cookies": "yes"})
        assert response.status == 200, response.body
        user = response.json["user"]
        return Person(user["id"], email, user["name"], response.json["access_token"], response.json["refresh_token"])


def units(basket: Json) -> dict[str, int]:
    """Return the quantities of a basket by product."""
    return {line["product_id"]: line["quantity"] for line in basket["lines"]}


async def test_guest_fills_a_basket_logs_in_pays_and_leaves_none_behind(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    bowl, vase = await client.new_product(price=2_800), await client.new_product()
    browser = Browser(client)
    empty = await browser.basket()
    assert empty == {"lines": [], "changes": [], "version": empty["version"], "open_checkout": None}
    assert browser.jar == {}

    [line] = (await browser.add(bowl, 2)).json["lines"]
    assert (line["title"], line["unit_price"]["amount"], line["stock"]) == (bowl["title"], 2_800, 10)
    assert list(browser.jar) == ["nextbuy_basket"]

    account = await browser.login(buyer.email)
    baskets = await asyncio.gather(*(browser.basket() for _ in range(20)))
    assert all(units(basket) == {bowl["id"]: 2} for basket in baskets)
    assert "nextbuy_basket" not in browser.jar
    etag = (await browser.add(vase, 1)).headers["ETag"]

    await client.buy(account, [(bowl, 2)])
    assert units(await browser.basket()) == {vase["id"]: 1}
    lines = {"lines": [{"product_id": vase["id"], "quantity": 3}]}
    assert_problem(await browser.send("PUT", "/order/api/basket", lines, **{"If-Match": etag}), 412, "stale")

    assert (await browser.send("POST", "/auth/api/logout")).status == 204
    assert set(browser.jar) <= {"nextbuy_device"}
    assert units(await browser.basket()) == {}
    await browser.login(buyer.email)
    assert units(await browser.basket()) == {vase["id"]: 1}


async def test_logout_of_a_seller_leaves_no_basket_of_the_browser(client: JourneyClient) -> None:
    seller, bowl = await client.new_seller(), await client.new_product()
    browser = Browser(client)
    await browser.login(seller.email)
    assert (await browser.add(bowl, 2)).status == 200
    assert units(await browser.basket()) == {bowl["id"]: 2}

    await browser.send("POST", "/auth/api/logout")

    assert "nextbuy_basket" not in browser.jar
    assert units(await browser.basket()) == {}


async def test_page_of_another_site_changes_no_basket(client: JourneyClient) -> None:
    bowl, browser = await client.new_product(), Browser(client)
    body = {"product_id": bowl["id"], "quantity": 1}
    refused = await browser.send("POST", "/order/api/add-to-basket", body, Origin="https://evil.example")
    assert_problem(refused, 403, "cross-site")
    accepted = await browser.send("POST", "/order/api/add-to-basket", body, Origin=client.market.url)
    assert accepted.status == 200


async def test_new_price_and_a_sale_to_others_are_changes(client: JourneyClient) -> None:
    seller = await client.new_seller()
    bowl = await client.new_product(seller, stock=2, price=2_800)
    browser = Browser(client)
    await browser.add(bowl, 2)
    body = {"price": {"amount": 3_000, "currency": "USD"}, "stock": 1}
    updated = await client.request("PUT", f"/product/api/update-product/{bowl['id']}", body, who=seller)
    assert updated.status == 200, updated.body

    async def changed() -> bool:
        codes = [change["code"] for change in (await browser.basket())["changes"]]
        return codes == ["price-changed", "too-few"]

    await until(changed, "the basket names the changes")
