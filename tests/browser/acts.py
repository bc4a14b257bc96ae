"""Acts of a visitor that many tests need."""

import time
from secrets import token_hex
from typing import Final

from playwright.sync_api import Locator, Page, expect

GOOD_CARD: Final = "4242424242424242"
_PAUSE: Final = 250.0
"""Milliseconds between two looks at a page that does not refresh itself."""
TIMEOUT: Final = 60.0
"""Seconds for anything that a page shows, also on a slow machine under load."""


def open_whole(page: Page, path: str) -> None:
    """Open a page and wait until it has settled. The network is never idle, because the page holds a stream."""
    page.goto(path)
    page.wait_for_function("() => [...document.images].every((image) => image.complete || image.loading === 'lazy')")
    page.wait_for_timeout(500)


def sign_in(page: Page, name: str) -> None:
    """Sign in with a demo account."""
    page.goto("/sign-in")
    continue_as(page, name)


def continue_as(page: Page, name: str) -> None:
    """Choose a demo account on the sign-in page."""
    page.get_by_role("button", name=f"Continue as {name}").click()
    # A page that is opened before the answer has arrived would come without the cookies of the account.
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def sign_up(page: Page, password: str, *, wanted: str) -> str:
    """Create the account of a buyer, and return its e-mail address."""
    email = f"rosa-{token_hex(6)}@journeys.nextbuy.test"
    page.goto(f"/sign-in?next={wanted}")
    form = page.locator("form[action='/sign-up']")
    form.get_by_label("Name").fill("Rosa")
    form.get_by_label("E-mail").fill(email)
    form.get_by_label("Password").fill(password)
    form.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    return email


def pay(page: Page, card: str = GOOD_CARD) -> None:
    """Pay on the provider's page, and return to the marketplace."""
    page.get_by_label("Card number").fill(card)
    page.get_by_role("button", name="Pay").first.click()
    page.get_by_role("link", name="Back to the marketplace").click()


def await_payment(page: Page, *, script: bool = True) -> None:
    """Wait until the page of a checkout shows its orders: the provider reports the payment later."""
    await_report(page, page.get_by_role("heading", name="Thank you!"), script=script)


def await_report(page: Page, expected: Locator, *, script: bool = True) -> None:
    """Wait until the page of a checkout shows what the provider reports; without script, look again and again."""
    deadline = time.monotonic() + TIMEOUT
    while not script and not expected.is_visible() and time.monotonic() < deadline:
        with page.expect_navigation():
            page.get_by_role("link", name="Check again").click()
        page.wait_for_timeout(_PAUSE)
    expect(expected).to_be_visible()
