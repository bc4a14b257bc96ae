"""Whole journeys in a real browser, in one process and in one process per service."""

import time
from secrets import token_hex
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, expect

from nextbuy.web.demo_logins import DEMO_LOGINS
from tests.browser.acts import TIMEOUT, await_payment, pay, sign_in, sign_up
from tests.browser.conftest import OpenPage, in_each_topology

pytestmark = [pytest.mark.browser, in_each_topology]

DECLINED_CARD: Final = "4000000000000002"
_MAX_STOPS: Final = 60
"""Presses of Tab that reach any control of these pages, all products of a list included."""
_IS_VISIBLE: Final = """(element) => {
    const marked = element.closest(".card") ?? element;
    const { top, bottom } = element.getBoundingClientRect();
    return getComputedStyle(marked).outlineStyle !== "none" && bottom > 0 && top < innerHeight;
}"""
"""Whether the focus on an element is visible: an outline, on the screen."""


def tab_to(page: Page, control: Locator) -> None:
    """Press Tab until a control has the focus, which is visible at each stop."""
    expect(control).to_be_visible()
    for _ in range(_MAX_STOPS):
        if control.evaluate("(element) => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
        focused = page.evaluate_handle("document.activeElement").as_element()
        assert focused is not None
        assert focused.evaluate("(element) => element !== document.body"), "the focus has left the page"
        assert focused.evaluate(_IS_VISIBLE), (
            f"no visible focus on {focused.evaluate('(element) => element.outerHTML')}"
        )
    pytest.fail(f"{control} is not reached by Tab")


def check_out(page: Page) -> None:
    """Put a product into the basket of a buyer, and continue to the payment page."""
    page.goto("/category/ceramics?in_stock=yes")
    page.locator(".card a").first.click()
    page.get_by_role("button", name="Add to basket").click()
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_label("Card number")).to_be_visible()


def reload_until(page: Page, shown: Locator) -> None:
    """Reload a page until it shows what follows an event."""
    deadline = time.monotonic() + TIMEOUT
    while not shown.is_visible() and time.monotonic() < deadline:
        page.wait_for_timeout(250)
        page.reload()
    expect(shown).to_be_visible()


def test_goods_are_bought_with_the_keyboard_alone(open_page: OpenPage) -> None:
    page, maya = open_page(), DEMO_LOGINS[0]
    page.goto("/")
    tab_to(page, page.get_by_role("link", name="Skip to the content"))
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to(page, page.get_by_role("link", name="Garden", exact=True))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Garden", level=1)).to_be_visible()

    tab_to(page, page.locator(".card:not(.gone) a").first)
    page.keyboard.press("Enter")
    quantity = page.get_by_label("How many")
    tab_to(page, quantity)
    page.keyboard.press("ArrowUp")
    expect(quantity).to_have_value("2")
    tab_to(page, page.get_by_role("button", name="Add to basket"))
    page.keyboard.press("Enter")

    tab_to(page, page.get_by_role("link", name="Sign in to check out"))
    page.keyboard.press("Enter")
    form = page.locator("form[action='/sign-in']").filter(has_text="Forgot")
    tab_to(page, form.get_by_label("E-mail"))
    page.keyboard.type(maya.email)
    tab_to(page, form.get_by_label("Password"))
    page.keyboard.type(maya.password)
    page.keyboard.press("Enter")

    tab_to(page, page.get_by_role("button", name="Check out"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Card number"))
    page.keyboard.type("4242424242424242")
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("link", name="Back to the marketplace"))
    page.keyboard.press("Enter")
    await_payment(page)


def test_lost_password_is_replaced_and_goods_are_bought_within_a_minute(open_page: OpenPage) -> None:
    page, mailbox, new = open_page(), open_page(), token_hex(8)
    email = sign_up(page, token_hex(8), wanted="/account")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    sign_in(mailbox, "Noor")

    began = time.monotonic()
    page.goto("/sign-in")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send the link").click()
    expect(page.get_by_role("heading", name="Check your e-mail")).to_be_visible()
    mailbox.goto("/mails")
    mail = mailbox.get_by_role("listitem").filter(has_text=email).filter(has_text="password")
    reload_until(mailbox, mail)
    mail.get_by_role("link").first.click()
    text = mailbox.locator(".text").inner_text()
    page.goto(next(word for word in text.split() if "/reset-password?token=" in word))
    page.get_by_label("New password").fill(new)
    page.get_by_role("button", name="Change the password").click()
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    form = page.locator("form[action='/sign-in']").filter(has_text="Forgot")
    form.get_by_label("E-mail").fill(email)
    form.get_by_label("Password").fill(new)
    form.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    check_out(page)
    pay(page)
    await_payment(page)

    assert time.monotonic() - began < 60


def test_support_finds_why_a_payment_failed_from_the_e_mail_address_alone(open_page: OpenPage) -> None:
    buyer, support = open_page(), open_page()
    email = sign_up(buyer, token_hex(8), wanted="/")
    check_out(buyer)
    buyer.get_by_label("Card number").fill(DECLINED_CARD)
    buyer.get_by_role("button", name="Pay").first.click()
    expect(buyer.get_by_text("declined").first).to_be_visible()

    sign_in(support, "Noor")
    support.goto("/admin")
    search = support.get_by_role("search", name="The marketplace")
    search.get_by_role("searchbox").fill(email)
    search.get_by_role("button", name="Find").click()
    support.get_by_role("main").get_by_role("link", name="Rosa").first.click()
    expect(support.get_by_role("heading", name="Rosa", level=1)).to_be_visible()
    reload_until(support, support.get_by_text("The card was declined.").first)
    support.get_by_role("link", name="Trace").last.click()

    diagram = support.locator("svg.sequence")
    reload_until(support, diagram)
    expect(diagram).to_contain_text("payment_intent.payment_failed")


def test_seller_corrects_the_word_for_which_a_product_was_refused(open_page: OpenPage) -> None:
    page, title = open_page(), f"Film about potters {token_hex(3)}"
    sign_in(page, "Ines")
    page.goto("/sell/product/new")
    page.get_by_label("Title").fill(f"Pirated {title.lower()}")
    page.get_by_label("Description").fill("Made by hand in small numbers, each a little different from the other.")
    page.get_by_label("Price in dollars").fill("12.50")
    page.get_by_label("Units in stock").fill("4")
    page.get_by_role("button", name="Add the product").click()
    expect(page.get_by_text("“Pirated” in the title is not allowed.")).to_be_visible()

    page.get_by_label("Title").fill(title)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main").get_by_text("For sale", exact=True)).to_be_visible()

    shopper = open_page()
    shopper.goto(f"/search?q={title.replace(' ', '+')}")
    reload_until(shopper, shopper.get_by_role("link", name=title))
