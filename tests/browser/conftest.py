"""A real browser (Debian's Chromium, by Playwright) and a marketplace with demo data.

`make test` runs the smoke journey only, and skips it if there is no browser; `make test-browser` runs all.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import lru_cache
from typing import Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.acts import TIMEOUT
from tests.demo_marketplace import demo_marketplace
from tests.journeys.marketplace import Topology

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM: Final = next((path for name in _NAMES if (path := shutil.which(name))), None)
VIEWPORTS: Final = {
    # WCAG 2.2, 1.4.10: a desktop at 400 % zoom.
    "narrow": {"width": 320, "height": 640},
    "phone": {"width": 390, "height": 844},
    "desktop": {"width": 1280, "height": 900},
}

OpenPage = Callable[..., Page]

_OPTIONS: Final = {Topology.ONE: (), Topology.MANY: ("--processes",)}
in_each_topology: Final = pytest.mark.parametrize(
    "shop_url",
    [Topology.ONE, pytest.param(Topology.MANY, marks=[pytest.mark.browser, pytest.mark.timeout(600)])],
    indirect=True,
)
"""For journeys, which must work in one process and in one per service."""

expect.set_options(timeout=TIMEOUT * 1000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give browser tests time for a start, and skip them without a browser, except in CI."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(300))
            item.add_marker(pytest.mark.xdist_group("browser"))
            if CHROMIUM is None and not os.environ.get("CI"):
                item.add_marker(pytest.mark.skip(reason="no Chromium on this machine; on Debian: apt install chromium"))


@pytest.fixture(scope="session")
def start_shop() -> Iterator[Callable[[Topology], str]]:
    """A function that returns the URL of a marketplace with demo data, started at the first call."""
    with ExitStack() as stack:
        yield lru_cache(lambda topology: stack.enter_context(demo_marketplace(*_OPTIONS[topology])))


@pytest.fixture
def shop_url(request: pytest.FixtureRequest, start_shop: Callable[[Topology], str]) -> str:
    """The URL of a marketplace with demo data, in one process unless the test has a topology."""
    return start_shop(getattr(request, "param", Topology.ONE))


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser without a window, for one test: while it is open, its event loop runs in this thread."""
    with sync_playwright() as playwright:
        assert CHROMIUM is not None, "CI needs Chromium"
        # Chromium refuses to run as root inside its sandbox, as CI does.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, shop_url: str) -> Iterator[OpenPage]:
    """A function that opens a tab of a new visitor; no tab may log to the console or fail."""
    complaints: list[str] = []
    with ExitStack() as stack:

        def open_tab(
            *, viewport: str = "desktop", dark: bool = False, script: bool = True, time_zone: str = "UTC"
        ) -> Page:
            context = browser.new_context(
                base_url=shop_url,
                viewport=VIEWPORTS[viewport],  # type: ignore[arg-type]
                color_scheme="dark" if dark else "light",
                java_script_enabled=script,
                timezone_id=time_zone,
            )
            stack.callback(context.close)
            context.set_default_timeout(TIMEOUT * 1000)
            page = context.new_page()
            page.on("console", lambda message: complaints.extend(_complaint(page, message)))
            page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
            return page

        yield open_tab
    assert complaints == []


def _complaint(page: Page, message: ConsoleMessage) -> list[str]:
    """Return what a page logs, without the browser's own line about the status of the page itself."""
    return [] if message.location["url"] == page.url else [f"{page.url}: {message.text}"]
