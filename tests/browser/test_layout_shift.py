"""No page moves while it loads, also where a script shows its times in another zone; none logs to the console."""

from typing import Final

import pytest

from tests.browser.acts import open_whole, sign_in
from tests.browser.conftest import OpenPage
from tests.browser.test_accessibility import PAGES

pytestmark = pytest.mark.browser

_LIMIT: Final = 0.02
_SUM: Final = """() => new Promise((resolve) => {
    let sum = 0;
    const add = (list) => list.getEntries().forEach((shift) => { sum += shift.hadRecentInput ? 0 : shift.value; });
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve(sum), 200);
})"""


@pytest.mark.parametrize("viewport", ["phone", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_shifts_its_layout(open_page: OpenPage, name: str, viewport: str) -> None:
    page = open_page(viewport=viewport, time_zone="Asia/Kolkata")
    if name:
        sign_in(page, name)
    shifts = {}
    for path in PAGES[name]:
        open_whole(page, path)
        shifts[path] = page.evaluate(_SUM)

    assert {path: shift for path, shift in shifts.items() if shift > _LIMIT} == {}


def test_planted_shift_is_measured(open_page: OpenPage) -> None:
    page = open_page()
    open_whole(page, "/terms")
    page.evaluate("document.querySelector('main').before('New '.repeat(999))")

    assert page.evaluate(_SUM) > _LIMIT
