"""Open pages show what others do, within seconds, and never replace what a visitor is working on."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.acts import GOOD_CARD, sign_in
from tests.browser.conftest import OpenPage, in_each_topology
from tests.browser.test_layout_shift import _LIMIT, _SUM

pytestmark = pytest.mark.browser

SOON = 30_000
"""Milliseconds from an act to the other page, on a busy machine; the tests print how long it takes."""


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Print the time of a block."""
    began = time.monotonic()
    yield
    sys.stdout.write(f"{what} after {time.monotonic() - began:.1f} s\n")


def shop_of(page: Page) -> str:
    """Return the path of the shop of the signed-in seller."""
    page.goto("/sell")
    return page.get_by_role("link", name="See it as buyers do").get_attribute("href") or ""


def buy(page: Page, shop: str) -> None:
    """Buy the first product of a shop, as a buyer who is signed in."""
    page.goto(f"{shop}?in_stock=yes")
    page.locator(".card a").first.click()
    page.get_by_role("button", name="Add to basket").click()
    page.get_by_role("button", name="Check out").click()
    page.get_by_label("Card number").fill(GOOD_CARD)
    page.get_by_role("button", name="Pay").first.click()


def add_sword(page: Page, title: str) -> None:
    """Add a product that moderation leaves to an operator."""
    page.goto("/sell/product/new")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Description").fill("Made by hand of ash wood, for the stage and for the wall of a study.")
    page.get_by_label("Category").fill("ceramics")
    page.get_by_label("Price in dollars").fill("40.00")
    page.get_by_label("Units in stock").fill("3")
    page.get_by_role("button", name="Add the product").click()


def opened(page: Page, path: str) -> Page:
    """Open a page and wait until its stream is open."""
    with page.expect_response(re.compile("/api/stream$")) as stream:
        page.goto(path)
    assert stream.value.status == 200
    # The first refresh may come from a change just before.
    page.wait_for_timeout(2_000)
    return page


@in_each_topology
def test_seller_and_operator_see_each_other(open_page: OpenPage) -> None:
    seller, operator = open_page(), open_page()
    sign_in(seller, "Ines")
    sign_in(operator, "Noor")
    title = "Wooden sword for the stage"
    opened(operator, "/admin/queue")

    add_sword(seller, title)
    with measured("product in the open queue"):
        expect(operator.get_by_role("heading", name=title)).to_be_visible(timeout=SOON)
    assert operator.evaluate(_SUM) <= _LIMIT

    opened(seller, "/sell/products")
    row = seller.get_by_role("listitem").filter(has_text=title)
    expect(row).to_contain_text("review")
    operator.get_by_role("listitem").filter(has_text=title).get_by_role("button", name="Approve").click()
    with measured("decision on the open page of the seller"):
        expect(row).to_contain_text("For sale", timeout=SOON)
    expect(seller.locator("[data-updated]")).to_have_text("This page was updated.")
    assert seller.evaluate(_SUM) <= _LIMIT


@in_each_topology
def test_seller_sees_an_order_and_the_number_of_notifications(open_page: OpenPage) -> None:
    buyer, seller, reading = open_page(), open_page(), open_page()
    sign_in(buyer, "Maya")
    for page in (seller, reading):
        sign_in(page, "Ines")
    shop = shop_of(seller)
    opened(seller, "/sell/orders")
    opened(reading, "/terms")
    orders, bell = seller.locator("main li.order"), reading.locator("#bell")
    before, title = orders.count(), reading.title()

    for number in (1, 2):
        unread = bell.get_attribute("aria-label") or ""
        buy(buyer, shop)
        with measured("order on the open page of the seller"):
            expect(orders).to_have_count(before + number, timeout=SOON)
        expect(bell).not_to_have_attribute("aria-label", unread, timeout=SOON)
    assert reading.title() == title
    assert (seller.evaluate(_SUM), reading.evaluate(_SUM)) <= (_LIMIT, _LIMIT)


def test_nothing_is_replaced_while_a_reason_is_typed(open_page: OpenPage) -> None:
    seller, operator = open_page(), open_page()
    sign_in(seller, "Ines")
    sign_in(operator, "Noor")
    add_sword(seller, "Wooden sword with a typed reason")
    opened(operator, "/admin/queue")
    item = operator.get_by_role("listitem").filter(has_text="typed reason")
    item.locator("summary").click()
    reason = item.get_by_label("Reason")
    reason.fill("The blade looks sharp")
    operator.evaluate("document.activeElement.blur()")
    operator.mouse.move(0, 0)

    later = "Wooden sword that is added later"
    add_sword(seller, later)
    operator.wait_for_timeout(5_000)
    expect(reason).to_have_value("The blade looks sharp")
    expect(operator.get_by_role("heading", name=later)).to_be_hidden()

    reason.fill("")
    item.locator("summary").click()
    operator.evaluate("document.activeElement.blur()")
    operator.mouse.move(0, 0)
    expect(operator.get_by_role("heading", name=later)).to_be_visible(timeout=SOON)


def test_page_asks_from_time_to_time_without_a_stream(open_page: OpenPage) -> None:
    buyer, seller = open_page(), open_page()
    sign_in(buyer, "Maya")
    sign_in(seller, "Ines")
    shop = shop_of(seller)
    # As a service with too many streams, but without a line of the browser about the status in the console.
    seller.route("**/api/stream", lambda route: route.fulfill(status=204))
    seller.goto("/sell/orders")
    orders = seller.locator("main li.order")
    before = orders.count()

    buy(buyer, shop)

    expect(orders).to_have_count(before + 1, timeout=SOON)


def test_hidden_tab_holds_no_stream(open_page: OpenPage) -> None:
    page = open_page()
    sign_in(page, "Maya")
    ended: list[str] = []
    page.on("requestfailed", lambda request: ended.append(request.url))
    page.on("requestfinished", lambda request: ended.append(request.url))
    opened(page, "/orders")
    ended.clear()

    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    page.wait_for_timeout(1_000)

    assert [url for url in ended if url.endswith("/api/stream")]


def test_payment_is_shown_while_its_page_waits(open_page: OpenPage) -> None:
    buyer, seller = open_page(), open_page()
    sign_in(buyer, "Maya")
    sign_in(seller, "Ines")
    shop = shop_of(seller)
    buyer.goto(f"{shop}?in_stock=yes")
    buyer.locator(".card a").first.click()
    buyer.get_by_role("button", name="Add to basket").click()
    buyer.get_by_role("button", name="Check out").click()
    expect(buyer.get_by_label("Card number")).to_be_visible()
    payment_page = buyer.url
    waiting = buyer.context.new_page()
    waiting.goto("/basket")
    cancel = waiting.locator("form[action^='/session/'][action$='/cancel']").first.get_attribute("action") or ""
    waiting.goto(cancel.removesuffix("/cancel"))
    expect(waiting.get_by_role("link", name="Continue payment").first).to_be_visible()

    buyer.goto(payment_page)
    buyer.get_by_label("Card number").fill(GOOD_CARD)
    buyer.get_by_role("button", name="Pay").first.click()

    with measured("payment on the open page of its buyer"):
        expect(waiting.get_by_role("heading", name="Thank you!")).to_be_visible(timeout=SOON)
    expect(waiting.get_by_role("link", name="Continue payment")).to_have_count(0)
    assert waiting.locator("style").count() == 0, "htmx has added its inline style"


def test_stranger_loads_no_htmx(open_page: OpenPage) -> None:
    page = open_page()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto("/", wait_until="networkidle")

    assert not [url for url in loaded if "htmx" in url or "live" in url or "stream" in url]
