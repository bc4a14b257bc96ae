"""A buyer's one open checkout in a real browser: a declined card is retried, and two tabs pay once."""

import pytest
from playwright.sync_api import Page, expect

from nextbuy.demo.catalogue import PASSWORD
from tests.browser.acts import GOOD_CARD, await_payment, await_report, open_whole, pay, sign_up
from tests.browser.axe import serious_findings
from tests.browser.conftest import VIEWPORTS, OpenPage, in_each_topology

pytestmark = pytest.mark.browser

BAD_CARD = "4000000000000002"
DECLINED = "Your card was declined and not charged. Try again, perhaps with another card."


def fill_basket(page: Page) -> None:
    """Create an account, whose basket is empty, and put a product into the basket."""
    sign_up(page, PASSWORD, wanted="/category/ceramics?in_stock=yes")
    page.locator(".card a").first.click()
    page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_role("heading", name="Basket")).to_be_visible()


def check_out(page: Page) -> None:
    """Check out the basket, also in the place of an open checkout."""
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_label("Card number")).to_be_visible()


def decline(page: Page, *, script: bool = True) -> None:
    """Pay with a card that is declined, return, and wait until the decline is shown."""
    page.get_by_label("Card number").fill(BAD_CARD)
    page.get_by_role("button", name="Pay").first.click()
    expect(page.get_by_text("Your card was declined")).to_be_visible()
    page.get_by_role("link", name="Back to the marketplace").click()
    await_report(page, page.get_by_text(DECLINED), script=script)


def count_orders(page: Page) -> int:
    """Return the number of the buyer's orders."""
    page.goto("/orders")
    return page.locator(".line.order").count()


@in_each_topology
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_declined_card_is_retried(open_page: OpenPage, *, script: bool) -> None:
    page = open_page(viewport="phone", script=script)
    fill_basket(page)
    check_out(page)
    decline(page, script=script)

    page.get_by_role("main").get_by_role("link", name="Continue payment").click()
    pay(page)

    await_payment(page, script=script)
    assert page.locator("section.panel").count() == 1


@in_each_topology
def test_two_tabs_pay_once(open_page: OpenPage) -> None:
    first = open_page()
    fill_basket(first)
    before = count_orders(first)
    second = first.context.new_page()
    for page in (first, second):
        page.goto("/basket")
    check_out(first)
    check_out(second)

    first.get_by_label("Card number").fill(GOOD_CARD)
    first.get_by_role("button", name="Pay").first.click()
    expect(first.get_by_role("heading", name="Cancelled")).to_be_visible()
    pay(second)
    await_payment(second)

    assert count_orders(second) == before + 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", ["narrow", "phone", "desktop"])
def test_pages_of_an_open_checkout_have_no_finding(open_page: OpenPage, viewport: str, *, dark: bool) -> None:
    page = open_page(viewport=viewport, dark=dark)
    fill_basket(page)
    check_out(page)
    decline(page)
    checkout, found = page.url, {}

    def look(path: str) -> None:
        open_whole(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS[viewport]["width"]
        found[path] = serious_findings(page)

    look(checkout)
    look("/basket")
    page.get_by_role("button", name="Cancel this checkout").click()
    expect(page.get_by_text("Your checkout is cancelled")).to_be_visible()
    look(page.url)
    look(checkout)
    assert {path: one for path, one in found.items() if one} == {}
