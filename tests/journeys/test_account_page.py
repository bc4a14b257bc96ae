"""The account page in a browser without script."""

from uuid import uuid4

import pytest

from tests.journeys.journey_client import JourneyClient
from tests.journeys.marketplace import PASSWORD, Marketplace
from tests.web.page_client import PageClient

pytestmark = pytest.mark.pages

ADDRESS = {
    "full_name": "Ada Winter",
    "line1": "12 Harbour Street",
    "postal_code": "97201",
    "city": "Portland",
    "country": "US",
}


@pytest.fixture
def email() -> str:
    """The e-mail address of a new buyer."""
    return f"ada-{uuid4()}@journeys.nextbuy.test"


async def test_name_is_changed_and_a_wrong_one_is_explained(browser: PageClient, email: str) -> None:
    page = await browser.sign_up(email, PASSWORD, wanted="/account")

    changed = await browser.submit(page, "/account/name", name="Ada Winter")
    refused = await browser.submit(changed, "/account/name", name=" ")

    assert ("Your name is changed." in changed.text, changed.form("/account/name").fields["name"]) == (
        True,
        "Ada Winter",
    )
    assert (refused.status, refused.form("/account/name").fields["name"]) == (422, "")
    assert 'aria-invalid="true"' in refused.html


async def test_new_password_signs_all_other_browsers_out(browser: PageClient, market: Marketplace, email: str) -> None:
    page = await browser.sign_up(email, PASSWORD, wanted="/account")
    async with PageClient.connect(market.url) as other:
        assert (await other.sign_in(email, PASSWORD, wanted="/account")).path == "/account"

        refused = await browser.submit(page, "/account/password", current_password="wrong", password="new-secret-2026")
        changed = await browser.submit(page, "/account/password", current_password=PASSWORD, password="new-secret-2026")

        assert (refused.status, "This is not your current password." in refused.text) == (403, True)
        assert "Your password is changed." in changed.text
        assert (await other.get("/account")).path == "/sign-in"
        assert (await other.sign_in(email, "new-secret-2026", wanted="/account")).path == "/account"


async def test_browser_is_signed_out_from_another(browser: PageClient, market: Marketplace, email: str) -> None:
    await browser.sign_up(email, PASSWORD, wanted="/account")
    async with PageClient.connect(market.url) as other:
        await other.sign_in(email, PASSWORD, wanted="/account")
        page = await browser.get("/account")

        ended = await browser.submit(page, "/account/end-session")
        again = await browser.post(
            "/account/end-session", page.form("/account/end-session").fields | {"key": "another"}
        )

        assert "That device is signed out." in ended.text
        assert (await other.get("/account")).path == "/sign-in"
        assert (again.status, [form for form in again.forms if form.action == "/account/end-session"]) == (404, [])


async def test_saved_address_is_used_by_a_checkout(browser: PageClient, client: JourneyClient, email: str) -> None:
    await browser.sign_up(email, PASSWORD, wanted="/account")
    refused = await browser.post("/account/address", ADDRESS | {"city": ""})
    saved = await browser.post("/account/address", ADDRESS)
    assert (refused.status, refused.form("/account/address").fields["line1"]) == (422, "12 Harbour Street")
    assert "The postal address is saved." in saved.text

    product = await client.new_product()
    page = await browser.get(f"/product/{product['slug']}")
    page = await browser.submit(page, "/basket/add", quantity="1")
    assert page.form("/check-out").fields["saved"]
    payment = await browser.submit(page, "/check-out")
    assert payment.status == 200

    deleted = await browser.submit(await browser.get("/account"), "/account/delete-address")
    assert ("The postal address is deleted." in deleted.text, "12 Harbour Street" in deleted.text) == (True, False)


async def test_unconfirmed_account_is_asked_on_each_page_and_gets_another_link(browser: PageClient, email: str) -> None:
    await browser.sign_up(email, PASSWORD, wanted="/account")
    page = await browser.get("/terms")

    sent = await browser.submit(page, "/account/confirm")

    assert f"open the link that we sent to {email}" in page.text
    assert f"We sent a link to {email}." in sent.text
    assert "/account/email" not in [form.action for form in sent.forms]


async def test_form_of_a_lost_session_leads_back_to_its_page(browser: PageClient, email: str) -> None:
    page = await browser.sign_up(email, PASSWORD, wanted="/account")
    for cookie in ("nextbuy_access", "nextbuy_refresh"):
        browser.drop_cookie(cookie)

    lost = await browser.post("/account/name", page.form("/account/name").fields, referer=f"{browser.url}/account")

    assert lost.url.endswith("/sign-in?next=/account")
