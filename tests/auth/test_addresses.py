"""A person saves postal addresses for their next orders."""

import asyncio
from typing import Any

import pytest

from nextbuy.contracts.values import new_id
from tests.auth.service_harness import HttpResponse, ServiceHarness
from tests.waiting import all_wait_for_a_lock, until

HOME = {
    "full_name": "Ada Winter",
    "line1": "12 Harbour Street",
    "city": "Portland",
    "postal_code": "97201",
    "country": "US",
}


async def save(service: ServiceHarness, token: str, **fields: str) -> HttpResponse:
    return await service.request("POST", "addresses", {**HOME, **fields}, token=token)


async def saved(service: ServiceHarness, token: str) -> list[dict[str, Any]]:
    response = await service.request("GET", "addresses", token=token)
    assert (response.status, response.json["next_cursor"]) == (200, None)
    items: list[dict[str, Any]] = response.json["items"]
    return items


async def test_saved_addresses_are_listed_newest_first_and_deleted(service: ServiceHarness) -> None:
    token = (await service.register()).json["access_token"]
    assert await saved(service, token) == []

    answers = [await save(service, token), await save(service, token, city="Salem")]

    assert [answer.status for answer in answers] == [201, 201]
    first, second = [answer.json["address"] for answer in answers]
    assert {**first, "id": ""} == {**HOME, "id": ""}
    assert await saved(service, token) == [second, first]
    answer = await service.request("DELETE", f"addresses/{first['id']}", token=token)
    assert (answer.status, answer.text) == (204, b"")
    assert await saved(service, token) == [second]
    assert (await service.request("DELETE", f"addresses/{first['id']}", token=token)).status == 404


async def test_addresses_of_another_account_cannot_be_seen_or_deleted(service: ServiceHarness) -> None:
    ada, eve = [(await service.register()).json["access_token"] for _ in range(2)]
    address = (await save(service, ada)).json["address"]

    answer = await service.request("DELETE", f"addresses/{address['id']}", token=eve)

    assert (answer.status, answer.json["slug"]) == (404, "address-not-found")
    assert (await service.request("DELETE", f"addresses/{new_id()}", token=eve)).status == 404
    assert (await saved(service, eve), await saved(service, ada)) == ([], [address])


async def test_account_saves_at_most_twenty_also_at_once(service: ServiceHarness) -> None:
    session = (await service.register()).json
    token = session["access_token"]
    for _ in range(19):
        assert (await save(service, token)).status == 201

    async with service.deps.database.transaction() as tx:
        await tx.execute("SELECT FROM accounts FOR UPDATE")
        answers = [asyncio.ensure_future(save(service, token)) for _ in range(2)]
        await until(lambda: all_wait_for_a_lock(service.deps.database, 2), "both wait for the account")

    assert sorted([(await answer).status for answer in answers]) == [201, 409]
    assert (await save(service, token)).json["slug"] == "too-many-addresses"
    assert len(await saved(service, token)) == 20


@pytest.mark.parametrize(("field", "value"), [("city", " "), ("postal_code", "x" * 21), ("full_name", "")])
async def test_invalid_field_is_named(service: ServiceHarness, field: str, value: str) -> None:
    token = (await service.register()).json["access_token"]

    answer = await save(service, token, **{field: value})

    assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
