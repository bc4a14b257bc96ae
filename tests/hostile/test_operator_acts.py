"""Every route by which only an admin changes something publishes who did it, and the audit of admins shows it."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

import pytest

from nextbuy.contracts.operator import OPERATED
from nextbuy.contracts.values import Role, new_id
from nextbuy.host.composition import SERVICES
from tests.hostile.hostile_fixture import HostileMarket
from tests.hostile.test_isolation import REASON
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXEMPT: Final = {
    "admin POST read-notification/{notification_id}": "a mark of one admin",
    "admin POST read-all-notifications": "marks of one admin",
    "kafka POST stuck/{id}/give-up": "always refused",
}
ROUTES: Final = [
    where
    for name, hosted in SERVICES.items()
    for route in hosted.service.routes
    if route.who == frozenset({Role.ADMIN}) and route.method != "GET"
    if (where := f"{name} {route.method} {route.path}") not in EXEMPT
]
"""The routes, generated: a new one without a subject below, or without an act, fails."""
Prepare = Callable[[HostileMarket], Awaitable[str]]


async def _seller(market: HostileMarket, *, approved: bool = True) -> str:
    name = f"seller_{new_id().hex[-8:]}"
    await market.seller(name, approved=approved)
    return market.people[name].id


async def _pending_seller(market: HostileMarket) -> str:
    return await _seller(market, approved=False)


async def _suspended_seller(market: HostileMarket) -> str:
    user_id = await _seller(market)
    await market.call("POST", f"/admin/api/suspend-seller/{user_id}", REASON, "admin")
    return user_id


async def _suspended_account(market: HostileMarket) -> str:
    user_id = await _seller(market)
    await market.call("POST", f"/admin/api/suspend-account/{user_id}", REASON, "admin")
    return user_id


async def _refused_product(market: HostileMarket) -> str:
    made = await market.offer("seller", f"Bowl {new_id().hex[-6:]}", "Contact me on Whatsapp for a weapon discount")
    return str(made["id"])


async def _product(market: HostileMarket) -> str:
    return str((await market.offer("seller", f"Bowl {new_id().hex[-6:]}"))["id"])


async def _dead_letter(market: HostileMarket) -> str:
    letter = new_id()
    await market.process.databases["kafka"].execute(
        """
        INSERT INTO dead_letters
            (id, delivery_key, topic, event_type, destination, subscription, reason, error_chain, attempts, envelope,
             position)
        VALUES ($1, $2, 'order.created', 'order.created', 'admin', 'create-notification', 'poison', '{}', 1, '\\xff00',
                1)
        """,
        letter,
        letter.hex,
    )
    return str(letter)


async def _nothing(_market: HostileMarket) -> str:
    return ""


async def _figures(_market: HostileMarket) -> str:
    return "daily-figures"


async def _outage(market: HostileMarket) -> str:
    await market.process.databases["kafka"].execute(
        "INSERT INTO outages (destination, since, failed_at, attempts, reason)"
        " VALUES ('nowhere', now() - interval '1 hour', now(), 3, 'down')"
    )
    return "nowhere"


def _failing(prefix: str = "") -> str:
    """Return the assignments that make a row stuck, and leave it for a day."""
    return f"""
        {prefix}due_at = date_trunc('day', now() + interval '2 days'), {prefix}attempts = 3,
        {prefix}delayed_until = date_trunc('day', now() + interval '2 days'),
        {prefix}failing_since = now() - interval '1 hour'
    """


async def _stuck_mail(market: HostileMarket) -> str:
    update = f"UPDATE mails SET status = 'waiting', done_at = NULL, {_failing()}"
    database = market.process.databases["notification"]
    return str(await database.fetchval(f"{update} WHERE id = (SELECT max(id::text)::uuid FROM mails) RETURNING id"))


async def _stuck_webhook(market: HostileMarket) -> str:
    database, event_id = market.process.databases["simulator"], f"evt_{new_id().hex}"
    await database.execute(
        "INSERT INTO webhooks (event_id, payment_id, type, body, traceparent, correlation_id, due_at)"
        " SELECT $1, id, 'test', '{}', '', '', NULL FROM payments LIMIT 1",
        event_id,
    )
    await database.execute(f"UPDATE webhooks SET {_failing()} WHERE event_id = $1", event_id)
    return event_id


async def _stuck_release(market: HostileMarket) -> str:
    session = await market.session("third_buyer", {"id": market.ids_for_sale["product_id"]})
    database = market.process.databases["order"]
    await database.execute(f"UPDATE sessions SET {_failing('release_')} WHERE id::text = $1", session["session_id"])
    return str(session["session_id"])


SUBJECTS: Final[dict[str, Prepare]] = {
    "admin POST approve-seller/{user_id}": _pending_seller,
    "admin POST reject-seller/{user_id}": _pending_seller,
    "admin POST suspend-seller/{user_id}": _seller,
    "admin POST reinstate-seller/{user_id}": _suspended_seller,
    "admin POST suspend-account/{user_id}": _seller,
    "admin POST reinstate-account/{user_id}": _suspended_account,
    "admin POST approve-product/{product_id}": _refused_product,
    "admin POST reject-product/{product_id}": _product,
    "kafka POST dead-letters/replay": _nothing,
    "kafka POST dead-letters/{id}/replay": _dead_letter,
    "kafka POST dead-letters/{id}/discard": _dead_letter,
    "kafka POST stuck/{id}/retry": _outage,
    "analytics POST projections/{name}/rebuild": _figures,
    **{f"notification POST stuck/{{id}}/{act}": _stuck_mail for act in ("retry", "give-up")},
    **{f"simulator POST stuck/{{id}}/{act}": _stuck_webhook for act in ("retry", "give-up")},
    **{f"order POST stuck/{{id}}/{act}": _stuck_release for act in ("retry", "give-up")},
}


async def acts(market: HostileMarket) -> dict[UUID, Any]:
    """Return the acts in the event logs of all services."""
    found: dict[UUID, Any] = {}
    for name in OPERATED:
        rows = await market.process.databases[name].fetch(
            "SELECT event_id, envelope FROM event_log WHERE topic = $1", f"operator.acted.{name}"
        )
        found |= {row["event_id"]: json.loads(row["envelope"])["data"] for row in rows}
    return found


@pytest.mark.parametrize("where", ROUTES)
async def test_change_by_an_admin_is_published_and_audited(market: HostileMarket, where: str) -> None:
    subject = await SUBJECTS[where](market)
    service, method, path = where.split(" ")
    before = await acts(market)

    path = "/".join(subject if part.startswith("{") else part for part in path.split("/"))
    await market.call(method, f"/{service}/api/{path}", REASON, "admin")

    [act] = [one for event_id, one in (await acts(market)).items() if event_id not in before]
    assert act["actor"] == market.people["admin"].id
    assert act["subject"] == (subject or "dead-letters")
    if "suspend" in where or "reject" in where or where.endswith(("give-up", "discard")):
        assert act["reason"] == REASON["reason"]

    async def audited() -> bool:
        page = await market.call("GET", "/admin/api/audit", who="admin")
        return any(item["id"] == act["act_id"] and item["actor_name"] for item in page["items"])

    await until(audited, "the audit shows the act with the name of the admin")


async def test_every_route_has_a_subject() -> None:
    assert set(SUBJECTS) == set(ROUTES)
