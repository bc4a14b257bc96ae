"""axe-core on every page, as each role sees it: no finding of any severity but "minor"."""

from typing import Final

import pytest
from playwright.sync_api import expect

from tests.browser.acts import open_whole, sign_in
from tests.browser.axe import serious_findings
from tests.browser.conftest import VIEWPORTS, OpenPage

pytestmark = pytest.mark.browser

PAGES: Final = {
    "": [
        "/",
        "/category/ceramics",
        "/search?q=mug",
        "/search?q=nothing-like-this",
        "/basket",
        "/sign-in",
        "/terms",
        "/nothing",
        "/styleguide",
    ],
    "Maya": ["/orders", "/account", "/notifications", "/basket"],
    "Ines": [
        "/sell",
        "/sell/products",
        "/sell/products?status=archived",
        "/sell/product/new",
        "/sell/orders",
        "/sell/shop",
        "/figures",
        "/notifications",
    ],
    "Noor": [
        "/admin",
        "/admin/queue",
        "/admin/queue?kind=shops",
        "/admin/queue/decided",
        "/admin/orders",
        "/admin/orders?kind=payment&status=expired",
        "/admin/audit",
        "/admin/search",
        "/admin/search?q=a@",
        "/admin/search?q=ma",
        "/mails",
        "/dead-letters",
        "/trace",
        "/notifications",
    ],
}
"""The paths that each demo account opens; a stranger has no name."""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_a_finding(open_page: OpenPage, name: str, viewport: str, *, dark: bool) -> None:
    page = open_page(viewport=viewport, dark=dark)
    if name:
        sign_in(page, name)
    found = {}
    for path in PAGES[name]:
        open_whole(page, path)
        found[path] = serious_findings(page)

    assert {path: one for path, one in found.items() if one} == {}


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(open_page: OpenPage, name: str) -> None:
    page = open_page(viewport="narrow")
    if name:
        sign_in(page, name)
    widths = {}
    for path in PAGES[name]:
        page.goto(path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")

    assert {path: width for path, width in widths.items() if width > VIEWPORTS["narrow"]["width"]} == {}


def test_trace_scrolls_in_its_table_alone(open_page: OpenPage) -> None:
    page = open_page(viewport="phone")
    sign_in(page, "Noor")
    page.goto("/admin/search?q=mug")
    page.locator("main a[href^='/trace?id=']").first.click()
    expect(page.locator("table.steps")).to_be_visible()

    assert page.evaluate("document.documentElement.scrollWidth") <= VIEWPORTS["phone"]["width"]
