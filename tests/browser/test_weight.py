"""The bytes and requests of a first visit, without pictures."""

from collections import Counter
from typing import Any

import pytest

from tests.browser.conftest import OpenPage


class Transfer:
    """The files that a browser receives, without pictures."""

    def __init__(self) -> None:
        self.paths: Counter[str] = Counter()
        self.bytes = 0
        self._counted: set[str] = set()

    def received(self, event: dict[str, Any]) -> None:
        """Count the request of a response."""
        if event["type"] != "Image":
            self._counted.add(event["requestId"])
            self.paths[event["response"]["url"]] += 1

    def finished(self, event: dict[str, Any]) -> None:
        """Count the bytes of a response, heads included."""
        if event["requestId"] in self._counted:
            self.bytes += int(event["encodedDataLength"])


@pytest.mark.browser
@pytest.mark.parametrize(
    ("path", "max_bytes", "max_requests"), [("/", 60_000, 12), ("product", 40_000, 8)], ids=["home", "product"]
)
def test_first_visit_is_light(open_page: OpenPage, path: str, max_bytes: int, max_requests: int) -> None:
    if path == "product":
        page = open_page()
        page.goto("/category/ceramics?in_stock=yes")
        path = page.locator(".card a").first.get_attribute("href") or ""
    page, transfer = open_page(), Transfer()
    session = page.context.new_cdp_session(page)
    session.on("Network.responseReceived", transfer.received)
    session.on("Network.loadingFinished", transfer.finished)
    session.send("Network.enable")

    page.goto(path, wait_until="networkidle")

    assert 5_000 < transfer.bytes <= max_bytes, transfer.paths
    assert 2 < transfer.paths.total() <= max_requests
    assert max(transfer.paths.values()) == 1, "a file was requested twice"
