"""One purchase in a real browser, with script and without."""

import pytest
from playwright.sync_api import expect

from tests.browser.acts import await_payment, continue_as, pay
from tests.browser.conftest import OpenPage, in_each_topology


@in_each_topology
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_stranger_buys_from_two_shops(open_page: OpenPage, *, script: bool) -> None:
    page = open_page(viewport="phone", script=script)
    for category in ("ceramics", "garden"):
        page.goto(f"/category/{category}?in_stock=yes")
        page.locator(".card a").first.click()
        page.get_by_role("button", name="Add to basket").click()
        expect(page.get_by_role("heading", name="Basket")).to_be_visible()
    page.get_by_role("link", name="Sign in to check out").click()
    continue_as(page, "Maya")
    page.get_by_role("button", name="Check out").click()
    pay(page)
    await_payment(page, script=script)
    assert page.locator("section.panel").count() == 2
