"""Every link and every form of the pages, as each kind of visitor sees them, with markup and junk in every field."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import pytest
import pytest_asyncio

from nextbuy.contracts.values import new_id
from nextbuy.web.app import FORMS
from tests.hostile.hostile_fixture import PASSWORD, HostileMarket, email_of
from tests.hostile.page_crawl import MARKUP, FoundForm, crawl, page_fault
from tests.web.page_client import PageClient

pytestmark = pytest.mark.asyncio(loop_scope="module")

JUNK: Final = ("", "a\0b", "\u202e\u200b", "9" * 400, "x" * 20_000, "../../etc", str(new_id()))
STRANGER: Final = ""
NEW: Final = "/sell/product/new"
LINKS: Final = ("/reset-password?token=abc", "/confirm-email?token=abc")
"""The pages that no page links to: mails do."""

OTHERS: Final = {"buyer": "other_buyer", "seller": "other_seller", "admin": "seller"}
"""A person who must not use the forms of another."""
_OPERATOR_PAGES: Final = ("/admin", "/dead-letters")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")

Found = tuple[str, FoundForm]


@asynccontextmanager
async def visitor(market: HostileMarket, name: str) -> AsyncIterator[PageClient]:
    """A browser of an account, or of a stranger."""
    async with PageClient.connect(f"http://127.0.0.1:{market.port}") as client:
        if name:
            assert (await client.sign_in(email_of(name), PASSWORD)).status == 200
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(market: HostileMarket) -> dict[str, Found]:
    """One form for each path that forms post to, with the visitor who sees it; every link is followed before."""
    await market.register("new_seller", "seller")
    await market.offer("seller", "Antique sword")
    dagger = await market.offer("seller", "Antique dagger")
    await market.call("POST", f"/admin/api/reject-product/{dagger['id']}", {"reason": "a test"}, "admin")
    await _prepare_buyer(market)
    await _make_stuck_work(market)
    people = await _suspend_someone(market)
    forms: dict[str, Found] = {}
    for name in (STRANGER, "buyer", "seller", "new_seller", "admin"):
        async with visitor(market, name) as client:
            statuses, seen = await crawl(client, "/", "/sign-in", *LINKS, *(people if name == "admin" else ()))
            assert {path: status for path, status in statuses.items() if status != 200} == {}
            forms |= {path: (name, form) for path, form in seen.items() if path not in forms}
    return forms


async def _prepare_buyer(market: HostileMarket) -> None:
    async with visitor(market, "buyer") as client:
        await client.post("/basket/add", {"product_id": market.ids_for_sale["product_id"], "quantity": "1"})
        address = {"full_name": "Ada", "line1": "Hof 1", "city": "Ulm", "postal_code": "89073", "country": "Germany"}
        assert (await client.post("/account/address", address)).status == 200
    # An open checkout, which the basket offers to cancel.
    product = {"id": market.ids_for_sale["product_id"]}
    await market.session("buyer", product)


async def _suspend_someone(market: HostileMarket) -> list[str]:
    """Suspend a shop; return the pages of people with every kind of suspension, to which a search leads."""
    shop = market.people["suspendable_seller"].id
    await market.call("POST", f"/admin/api/suspend-seller/{shop}", {"reason": "a test"}, "admin")
    others = (market.people[name].id for name in ("suspended", "spare_seller"))
    return [f"/admin/person/{person_id}" for person_id in (shop, *others)]


async def _make_stuck_work(market: HostileMarket) -> None:
    await market.process.databases["notification"].execute(
        """
        UPDATE mails
        SET status = 'waiting', attempts = 3, reason = 'refused', done_at = NULL,
            failing_since = now() - interval '1 h', due_at = now() + interval '1 h',
            delayed_until = now() + interval '1 h'
        WHERE id = $1
        """,
        UUID(market.ids["mail_id"]),
    )


async def test_every_form_is_found(found: dict[str, Found]) -> None:
    assert set(FORMS) == set(found)


@pytest.mark.parametrize("path", FORMS)
async def test_markup_and_junk_in_every_field(market: HostileMarket, found: dict[str, Found], path: str) -> None:
    name, one = found[path]
    async with visitor(market, name) as client:
        for field in one.form.fields:
            for text in (MARKUP, *JUNK):
                page = await client.post(one.target, {**one.form.fields, field: text})
                assert page_fault(page) is None, f"{field} = {text[:40]!r}: {page_fault(page)}"


@pytest.mark.parametrize("path", FORMS)
async def test_form_of_another_site_is_refused(market: HostileMarket, found: dict[str, Found], path: str) -> None:
    name, one = found[path]
    async with visitor(market, name) as client:
        for header in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "", "sec-fetch-site": "cross-site"},
        ):
            page = await client.post(one.target, one.form.fields, **header)
            assert (page.status, page_fault(page)) == (403, None), header


@pytest.mark.parametrize("path", FORMS)
async def test_form_of_another_person_is_refused(market: HostileMarket, found: dict[str, Found], path: str) -> None:
    name, one = found[path]
    if name not in OTHERS or not _names_something(name, one):
        return
    async with visitor(market, OTHERS[name]) as client:
        page = await client.post(one.target, one.form.fields)
        assert page.status in {403, 404, 409}


def _names_something(name: str, one: FoundForm) -> bool:
    """Return whether a form is about something that another person must not change."""
    if name == "admin":
        return one.page.startswith(_OPERATOR_PAGES)
    return any(_UUID.search(text) for text in (one.target, one.form.fields.get("id", "")))


async def test_stored_markup_is_shown_as_text(market: HostileMarket) -> None:
    await market.register("marked", "seller")
    async with visitor(market, "marked") as client:
        await client.post("/sell/open", {"name": "Marked & <b>sons</b>", "category": "ceramics", "bio": MARKUP})
        assert "Marked & <b>sons</b>" in (await client.get("/sell")).text
        await market.call("POST", f"/admin/api/approve-seller/{market.people['marked'].id}", who="admin")
        description = MARKUP * 2
        saved = await client.submit(
            await client.get(NEW),
            NEW,
            title="Bowl <b>of</b> clay",
            description=description,
            tags=MARKUP[:20],
            price="28",
            stock="3",
        )
        assert saved.form(saved.path).fields["description"] == description
        await client.post("/account/name", {"name": MARKUP[:60]})
        await crawl(client, "/", "/sign-in")
    async with visitor(market, "admin") as client:
        await crawl(client, "/admin", "/admin/queue")
