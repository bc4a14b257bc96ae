"""Caches show nothing older than two seconds, and no page of one person to another."""

import asyncio
import random
import re
from html import unescape
from pathlib import Path

import pytest

from tests.journeys.caching_proxy import NGINX, STATUS, caching_proxy
from tests.journeys.journey_client import JourneyClient, Response
from tests.journeys.marketplace import PASSWORD, Marketplace
from tests.waiting import until
from tests.web.page_client import Page, PageClient

pytestmark = pytest.mark.pages

PROMISE = 2.0
"""Seconds that an answer of our caches may lag behind a change."""


def public_paths(product: dict[str, str], shop: dict[str, str]) -> list[str]:
    """Return the paths of public pages and replies that show a product."""
    words = product["title"].replace(" ", "+")
    return [
        f"/product/{product['slug']}",
        f"/search?q={words}",
        f"/shop/{shop['slug']}",
        "/",
        f"/category/{product['category']}",
        f"/product/api/get-product/{product['slug']}",
        f"/product/api/get-all-products?shop_id={shop['id']}",
        f"/product/api/search-products?q={words}",
    ]


def may_be_stored(response: Response) -> float:
    """Return the seconds for which a shared cache may answer with a response (RFC 9111, 4.2)."""
    found = re.search(r"public.*s-maxage=(\d+)", response.headers["cache-control"])
    assert found is not None, response.headers
    return max(0.0, float(found[1]) - float(response.headers["age"]))


async def test_no_answer_is_older_than_two_seconds_through_all_caches(
    client: JourneyClient, market: Marketplace
) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    paths = public_paths(product, seller.shop)[:3] + public_paths(product, seller.shop)[5:]
    loop, reading = asyncio.get_running_loop(), True
    read: list[tuple[str, float, float, str]] = []

    async def read_on(path: str) -> None:
        while reading:
            asked = loop.time()
            response = await client.request("GET", path)
            assert response.status == 200
            read.append((path, asked, may_be_stored(response), response.body.decode()))
            await asyncio.sleep(0.02)

    readers = [asyncio.create_task(read_on(path)) for path in paths]
    prices, changed = [2_800, 3_131, 3_237, 3_343], []
    async with market.database("product") as database:
        for number, price in enumerate(prices[1:]):
            # Longer than every cache keeps an answer, and at another point of each interval.
            await asyncio.sleep(2.2 + number / 7)
            # As another process changes it, which no cache hears of.
            await database.execute(
                "UPDATE products SET price_amount = $2, changed_in = pg_current_xact_id() WHERE id = $1",
                product["id"],
                price,
            )
            changed.append(loop.time())
        await asyncio.sleep(2.2)
    reading = False
    await asyncio.gather(*readers)

    worst = dict.fromkeys(paths, 0.0)
    for path, asked, stored, body in read:
        shown = [f"${price / 100:.2f}<" in body or f'"amount":{price},' in body for price in prices]
        [seen] = [number for number, is_shown in enumerate(shown) if is_shown]
        if seen < len(changed) and asked >= changed[seen]:
            worst[path] = max(worst[path], asked + stored - changed[seen])
    assert all(0 < age <= PROMISE for age in worst.values()), worst


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
async def test_shared_cache_shows_no_page_of_one_person_to_another(
    client: JourneyClient, market: Marketplace, tmp_path: Path
) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)
    people = {name: await client.new_buyer() for name in ("ada", "bob")}
    paths = public_paths(product, seller.shop)
    with caching_proxy(tmp_path, market.url) as proxy:
        async with (
            PageClient.connect(market.url) as ada,
            PageClient.connect(market.url) as bob,
            PageClient.connect(market.url) as guest,
            PageClient.connect(market.url) as stranger,
        ):
            for browser, person in ((ada, people["ada"]), (bob, people["bob"])):
                await browser.sign_in(person.email, PASSWORD)
            page = await guest.get(f"/product/{product['slug']}")
            await guest.submit(page, "/basket/add", quantity="7")

            async def is_up() -> bool:
                try:
                    return (await stranger.get(f"{proxy}/terms")).status == 200
                except OSError:
                    return False

            await until(is_up, "the proxy answers")
            visits = [(name, path) for name in ("ada", "bob", "guest", "stranger") for path in paths for _ in range(4)]
            random.shuffle(visits)
            browsers = {"ada": ada, "bob": bob, "guest": guest, "stranger": stranger}
            seen: dict[str, list[Page]] = {name: [] for name in browsers}
            for name, path in visits:
                seen[name].append(await browsers[name].get(f"{proxy}{path}"))

    marks = {"ada": people["ada"].name, "bob": people["bob"].name, "guest": 'aria-label="7 items"'}
    for name, pages in seen.items():
        for page in pages:
            shown = {mark for mark, text in marks.items() if text in page.html}
            is_page = "text/html" in page.headers["content-type"]
            assert shown == ({name} & set(marks) if is_page else set()), (name, page.url)
            if name != "stranger":
                assert (page.headers["cache-control"], page.headers[STATUS]) == ("private, no-cache", "MISS")
            else:
                assert "set-cookie" not in page.headers
    assert "HIT" in {page.headers[STATUS] for page in seen["stranger"]}


async def test_public_pages_and_replies_are_not_sent_again_to_those_who_have_them(client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)

    for path in (*public_paths(product, seller.shop), "/terms", f"/seller/api/get-shop/{seller.shop['id']}"):
        for encoding in ("gzip", "identity"):
            first = await client.request("GET", path, headers={"accept-encoding": encoding})
            known = {"accept-encoding": encoding, "if-none-match": first.headers["etag"]}
            again = await client.request("GET", path, headers=known)
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"]), path
            assert "set-cookie" not in first.headers


async def test_sitemaps_list_every_public_page(client: JourneyClient) -> None:
    seller = await client.new_seller()
    product = await client.new_product(seller)

    async def urls(path: str) -> list[str]:
        response = await client.request("GET", path)
        assert (response.status, response.headers["content-type"]) == (200, "application/xml"), path
        return [unescape(url) for url in re.findall("<loc>(.*?)</loc>", response.body.decode())]

    wanted = {f"/product/{product['slug']}", f"/shop/{seller.shop['slug']}", "/", "/terms", "/category/ceramics"}

    async def are_listed() -> bool:
        parts = await urls("/sitemap.xml")
        listed = {url for part in parts for url in await urls(part.removeprefix(client.market.url))}
        return wanted <= {url.removeprefix(client.market.url) for url in listed}

    await until(are_listed, "the sitemaps list the new product and its shop")
