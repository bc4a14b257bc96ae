"""Decisions of admins about a product that is not the one that they have read."""

from typing import Literal
from uuid import UUID

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Conflict, PreconditionFailed
from nextbuy.contracts.product import DecideProduct, Product
from nextbuy.contracts.product_version import versions_of
from nextbuy.contracts.values import new_id
from nextbuy.product.decide_product import decide_product
from tests.outbox import topics
from tests.product.service_harness import ServiceHarness, shown
from tests.product.test_lost_updates import change, changed_fields

ADMIN, OTHER = new_id(), new_id()


async def decide(
    service: ServiceHarness,
    product: Product,
    decision: Literal["active", "rejected"],
    *etags: str,
    by: UUID = ADMIN,
    reason: str = "",
) -> Product:
    seen = versions_of(etags) if etags else None
    call = DecideProduct(product_id=product.id, decision=decision, reason=reason, by=by, seen=seen)
    return await decide_product(service.deps, call)


@pytest.fixture
async def seller(service: ServiceHarness) -> Account:
    """The seller of the lamp."""
    return await service.seller()


@pytest.fixture
async def lamp(service: ServiceHarness, seller: Account) -> Product:
    """A product that waits for an admin's decision."""
    return await service.create_product(seller, "Desk lamp", category="electronics")


async def test_unseen_content_is_not_approved(service: ServiceHarness, seller: Account, lamp: Product) -> None:
    await change(service, seller, lamp, title="Floor lamp", price={"amount": 9_900})

    with pytest.raises(PreconditionFailed) as error:
        await decide(service, lamp, "active", lamp.etag)

    assert error.value.slug == "stale"
    assert changed_fields(error.value) == ["title", "price"]
    now = await service.get_product(lamp.id, seller)
    assert now.status == "pending"
    assert (await decide(service, lamp, "active", now.etag)).title == "Floor lamp"


async def test_sale_does_not_stop_a_decision(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller())
    await service.hold((kettle, 1))

    assert (await decide(service, kettle, "rejected", kettle.etag)).status == "rejected"


@pytest.mark.parametrize("named", [False, True])
async def test_other_decision_needs_the_state_that_is_there(
    service: ServiceHarness, seller: Account, lamp: Product, *, named: bool
) -> None:
    decided = await decide(service, lamp, "active")

    with pytest.raises(Conflict, match="An admin has already approved “Desk lamp”") as error:
        await decide(service, lamp, "rejected", *([lamp.etag] if named else []), by=OTHER)

    assert error.value.slug == "already-decided"
    assert await service.get_product(lamp.id) == shown(decided)
    assert (await decide(service, lamp, "rejected", decided.etag, by=OTHER)).status == "rejected"

    with pytest.raises(Conflict, match="An admin has already rejected"):
        await decide(service, lamp, "active", decided.etag)
    assert (await topics(service.database))[2:] == ["product.approved", "product.rejected"]


async def test_first_decision_needs_no_condition(service: ServiceHarness, seller: Account) -> None:
    kettle = await service.create_product(seller)
    banned = await service.create_product(seller, "Stolen kettle")

    assert (await decide(service, kettle, "rejected")).status == "rejected"
    assert (await decide(service, banned, "active")).status == "active"


async def test_content_that_changed_since_a_decision_is_decided_again(
    service: ServiceHarness, seller: Account, lamp: Product
) -> None:
    await decide(service, lamp, "active")
    await change(service, seller, lamp, stock=3)
    with pytest.raises(Conflict):
        await decide(service, lamp, "rejected")

    await change(service, seller, lamp, title="Desk lamp of brass")

    assert (await decide(service, lamp, "rejected")).status == "rejected"


async def test_repeated_decision_changes_nothing(service: ServiceHarness, lamp: Product) -> None:
    first = await decide(service, lamp, "rejected", lamp.etag, reason="Fake.")

    assert await decide(service, lamp, "rejected", lamp.etag, reason="Fake.") == first
    assert await decide(service, lamp, "rejected", reason="Fake too.", by=OTHER) == first
    assert (await topics(service.database))[2:] == ["product.rejected"]

    with pytest.raises(Conflict, match="already rejected"):
        await decide(service, lamp, "rejected", lamp.etag, reason="Fake too.", by=OTHER)


@pytest.mark.parametrize("etag", ['"9.1"', '"x"', 'W/"1.1"'])
async def test_decision_about_unknown_version_is_refused(service: ServiceHarness, lamp: Product, etag: str) -> None:
    with pytest.raises(AppError) as error:
        await decide(service, lamp, "active", etag)

    assert (error.value.status, error.value.slug) == (412, "stale")


async def test_decision_has_a_new_etag_and_its_status_is_named(
    service: ServiceHarness, seller: Account, lamp: Product
) -> None:
    decided = await decide(service, lamp, "rejected", lamp.etag, '"9.9"', reason="Fake.")

    assert decided.etag != lamp.etag
    assert shown(decided, to_owner=True) == await service.get_product(lamp.id, seller)
    with pytest.raises(PreconditionFailed) as error:
        await change(service, seller, lamp, lamp.etag, title="Floor lamp")
    assert [(one.field, one.message) for one in error.value.errors or []] == [("status", "It was rejected.")]
