"""Times are in the zone of the reader, with script, else in that of the marketplace, which they name."""

import pytest

from tests.browser.acts import open_whole, sign_in
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("script", "zone"), [(True, "GMT+5:30"), (False, "UTC")], ids=["with script", "without script"]
)
def test_time_names_the_zone(open_page: OpenPage, zone: str, *, script: bool) -> None:
    page = open_page(script=script, time_zone="Asia/Kolkata")
    sign_in(page, "Ines")
    open_whole(page, "/notifications")

    times = page.locator("time[data-local=minute]").all()
    assert times
    assert all((time.text_content() or "").endswith(f"M {zone}") for time in times)
    if script:
        assert all((time.get_attribute("title") or "").endswith("UTC") for time in times)
