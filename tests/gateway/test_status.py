"""`/health/status`: everyone sees up or degraded, admins and services see why."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc.jwk import ECKey
from msgspec import structs

from nextbuy.contracts.errors import AppError, ServiceUnavailable, Unavailable
from nextbuy.contracts.status import Backlog, ServiceStatus
from nextbuy.contracts.values import Role, new_id
from nextbuy.gateway.status import Collected, compile_status
from nextbuy.kit.http.tokens import ACCESS_COOKIE, Identity, TokenVerifier, sign_token
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import IDENTITY
from tests.gateway.conftest import OpenShop, Shop

KEY = ECKey.generate_key("P-256")
SECRET = b"s" * 16
STATES = {"order": "up", "kafka": "up", "postgres": "up", "redis": "up"}
BREAKERS = {"order": "closed", "kafka": "closed"}
ORDER = ServiceStatus(version="0.2.0", outbox=Backlog(0))
KAFKA = ServiceStatus(version="0.2.0", destinations={"admin": Backlog(0)}, dead_letters=0)

Credential = dict[str, str] | tuple[bytes, str]
"""Headers, or the secret and the callee of the identity of order, which is valid for a minute."""


def headers_of(credential: Credential) -> dict[str, str]:
    if isinstance(credential, dict):
        return credential
    secret, callee = credential
    return {IDENTITY: ServiceIdentity(secret, "order").sign(callee, "GET", "/health/status", b"")}


async def keys() -> Mapping[str, str]:
    return {"first": KEY.as_pem(private=False).decode()}


def token(role: Role, *, key: ECKey = KEY) -> str:
    """Return the access token of an account with a role."""
    return sign_token(Identity(new_id(), role, new_id(), time.time() + 86_400), kid="first", key=key)


def collected(order: ServiceStatus | AppError = ORDER, kafka: ServiceStatus | AppError = KAFKA) -> Collected:
    return Collected(
        version="0.2.0",
        carrier="Redis Streams",
        services={"order": order, "kafka": kafka},
        engines={"postgres": "18.0", "redis": "8.2"},
    )


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    """A gateway before two services, everything up."""
    shop: Shop = await open_shop(verifier=TokenVerifier(keys))
    shop.states.update(STATES)
    shop.status = collected()
    return shop


async def get(shop: Shop, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    async with shop.session.get("/health/status", headers=headers) as response:
        assert response.status == 200
        body: dict[str, Any] = await response.json()
        return body


@pytest.mark.parametrize(
    "credential",
    [
        {},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {token(Role.SELLER)}"},
        {"Authorization": f"Bearer {token(Role.ADMIN, key=ECKey.generate_key('P-256'))}"},
        {IDENTITY: "order.99999999999.00"},
        (b"x" * 16, "gateway"),
        (SECRET, "product"),
    ],
    ids=["anonymous", "no token", "seller", "forged token", "forged identity", "other secret", "other callee"],
)
async def test_anonymous_client_sees_only_the_status(shop: Shop, credential: Credential) -> None:
    assert await get(shop, headers_of(credential)) == {"status": "up"}


def test_decisions_to_make_are_counted_for_all_services() -> None:
    product = ServiceStatus(version="0.2.0", reviews={"products": 3})
    seller = ServiceStatus(version="0.2.0", reviews={"shops": 1})
    reported = structs.replace(collected(), services={"product": product, "seller": seller})

    status = compile_status(reported, {}, {"product": "closed", "seller": "closed"})

    assert status.reviews == {"products": 3, "shops": 1}


@pytest.mark.parametrize(
    "credential",
    [
        {"Authorization": f"Bearer {token(Role.ADMIN)}"},
        {"Cookie": f"{ACCESS_COOKIE}={token(Role.ADMIN)}"},
        (SECRET, "gateway"),
    ],
    ids=["admin", "admin by cookie", "service"],
)
async def test_admin_and_service_see_details(shop: Shop, credential: Credential) -> None:
    status = await get(shop, headers_of(credential))

    assert (status["status"], status["version"], status["carrier"]) == ("up", "0.2.0", "Redis Streams")
    assert status["services"]["order"] == {
        "state": "up",
        "version": "0.2.0",
        "breaker": "closed",
        "outbox": {"waiting": 0, "oldest_s": None},
    }
    assert status["engines"] == {
        "postgres": {"state": "up", "version": "18.0"},
        "redis": {"state": "up", "version": "8.2"},
    }
    assert status["destinations"] == {"admin": {"waiting": 0, "oldest_s": None}}
    assert (status["dead_letters"], status["stuck"]) == (0, {})


async def test_identity_of_a_service_reaches_no_other_route(open_shop: OpenShop) -> None:
    shop = await open_shop()

    async with shop.session.get("/order/api/x", headers={IDENTITY: "order.1.00"}):
        pass

    assert IDENTITY not in shop.requests[0].headers


async def test_status_is_collected_once_for_concurrent_requests(shop: Shop) -> None:
    await asyncio.gather(*(get(shop) for _ in range(20)))

    assert shop.collections == 1


async def test_status_that_is_not_collected_in_time_is_unavailable(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nextbuy.gateway.status._TIMEOUT", 0.01)

    async with shop.session.get("/health/status") as response:
        assert response.status == 503
        assert (await response.json())["slug"] == "status-unavailable"


@pytest.mark.parametrize(
    ("found", "states"),
    [
        (collected(order=ServiceUnavailable("order")), STATES | {"order": "down"}),
        (collected(order=Unavailable("No answer.")), STATES),
        (collected(), STATES | {"redis": "degraded"}),
        (collected(), STATES | {"bus": "degraded"}),
        (collected(kafka=ServiceStatus(version="0.2.0", problems=["delivery_status: timeout"])), STATES),
        (collected(order=ServiceStatus(version="0.2.0", stuck={"refund": 1})), STATES),
        (collected(order=ServiceStatus(version="0.2.0", outbox=Backlog(5, 61.0))), STATES),
        (collected(kafka=ServiceStatus(version="0.2.0", destinations={"admin": Backlog(1, 61.0)})), STATES),
    ],
    ids=[
        "service down",
        "no status",
        "engine",
        "bus at risk",
        "incomplete",
        "stuck work",
        "old outbox",
        "old delivery",
    ],
)
def test_any_problem_makes_the_marketplace_degraded(found: Collected, states: dict[str, str]) -> None:
    assert compile_status(found, states, BREAKERS).status == "degraded"


def test_short_backlogs_and_dead_letters_leave_the_marketplace_up() -> None:
    found = collected(
        order=ServiceStatus(version="0.2.0", outbox=Backlog(5, 2.0)),
        kafka=ServiceStatus(version="0.2.0", destinations={"admin": Backlog(9, 59.0)}, dead_letters=4),
    )

    status = compile_status(found, STATES, BREAKERS)

    assert (status.status, status.dead_letters) == ("up", 4)


def test_service_without_a_status_has_its_state_and_the_problem() -> None:
    status = compile_status(collected(order=Unavailable("No answer.")), STATES, BREAKERS | {"order": "open"})

    order = status.services["order"]
    assert (order.state, order.breaker, order.problems) == ("degraded", "open", ["unavailable: No answer."])


def test_bus_risks_are_listed_with_remedies_and_not_as_an_engine() -> None:
    risks = {"redis-persistence": "Redis does not store events on disk. Set appendonly to yes."}

    status = compile_status(structs.replace(collected(), risks=risks), STATES | {"bus": "degraded"}, BREAKERS)

    assert status.risks == risks
    assert set(status.engines) == {"postgres", "redis"}


def test_stuck_work_is_listed_by_service_and_kind() -> None:
    found = collected(
        order=ServiceStatus(version="0.2.0", stuck={"checkout": 2, "refund": 1}),
        kafka=ServiceStatus(version="0.2.0", stuck={"destination": 1}),
    )

    assert compile_status(found, STATES, BREAKERS).stuck == {
        "order": {"checkout": 2, "refund": 1},
        "kafka": {"destination": 1},
    }
