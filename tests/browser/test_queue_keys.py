"""An admin clears the moderation queue by keyboard."""

import time

import pytest
from playwright.sync_api import Page, expect

from nextbuy.demo.catalogue import PASSWORD
from tests.browser.acts import TIMEOUT
from tests.browser.conftest import OpenPage, in_each_topology

pytestmark = pytest.mark.browser


def offer(page: Page, *titles: str) -> None:
    """Create products that wait for review, as the seller of the demo."""
    login = {"email": "ines@demo.nextbuy.test", "password": PASSWORD}
    token = page.request.post("/auth/api/login", data=login).json()["access_token"]
    for title in titles:
        fields = {
            "title": title,
            "description": "For the wall.",
            "category": "home",
            "price": {"amount": 900},
            "stock": 1,
        }
        made = page.request.post(
            "/product/api/create-product", data=fields, headers={"authorization": f"Bearer {token}"}
        )
        assert made.json()["product"]["status"] == "pending", made.text()


@in_each_topology
def test_operator_clears_queue_by_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    offer(open_page(), "Antique sword of a duke", "Antique sword of a count")
    page.goto("/sign-in")
    page.get_by_role("button", name="Continue as Noor").click()
    page.goto("/admin/queue")
    press = page.keyboard.press
    items = page.locator(".queue > li")
    waiting = items.count()
    assert waiting >= 2

    press("a")
    expect(items).to_have_count(waiting)
    press("j")
    expect(items.nth(0)).to_be_focused()
    press("ArrowDown")
    expect(items.nth(1)).to_be_focused()
    press("k")
    expect(items.nth(0)).to_be_focused()
    press("?")
    expect(page.get_by_text("Next item")).to_be_visible()
    press("r")
    expect(items.nth(0).get_by_label("Reason")).to_be_focused()
    page.keyboard.type("A jar of swords.")
    press("Escape")
    expect(items.nth(0)).to_be_focused()
    press("r")
    press("Enter")
    expect(page.get_by_text("The product is rejected.")).to_be_visible()
    while items.count():
        press("j")
        press("a")
        expect(page.get_by_text("The product is approved.")).to_be_visible()
    expect(page.get_by_role("heading", name="No products to review")).to_be_visible()

    press("u")
    expect(page.get_by_role("heading", name="Decisions", exact=True)).to_be_visible()
    rejected = page.locator(".queue > li", has_text="A jar of swords.")
    deadline = time.monotonic() + TIMEOUT
    while not rejected.count() and time.monotonic() < deadline:
        page.reload()
    while not rejected.evaluate("item => item === document.activeElement"):
        press("j")
    press("u")
    expect(page.get_by_text("The decision is undone, and the seller is notified.")).to_be_visible()
