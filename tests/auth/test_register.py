import asyncio

import pytest

from nextbuy.contracts.auth import ValidateUser
from tests.auth.service_harness import PASSWORD, Desk


async def test_who_registers_is_logged_in_at_once(desk: Desk) -> None:
    told = await desk.register("Ada@Example.com")
    assert told.status == 201
    assert set(told.json) == {"user", "access_token", "refresh_token", "expires_in"}
    assert told.json["expires_in"] == 900
    assert told.json["user"] | {"id": ""} == {
        "id": "",
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "role": "buyer",
    }
    account = await desk.call(ValidateUser(token=told.json["access_token"]))
    assert str(account.id) == told.json["user"]["id"]


async def test_a_registration_is_told_to_the_other_services(desk: Desk) -> None:
    user = (await desk.register(role="seller")).json["user"]
    assert await desk.events() == [
        (
            "account.registered",
            {"account_id": user["id"], "email": user["email"], "name": user["name"], "role": "seller"},
        )
    ]


async def test_of_two_who_register_one_email_at_once_one_is_refused(desk: Desk) -> None:
    both = await asyncio.gather(desk.register("one@example.com"), desk.register("ONE@example.com "[:-1]))
    assert sorted(told.status for told in both) == [201, 409]
    assert next(told.json["slug"] for told in both if told.status == 409) == "email-taken"
    assert len(await desk.events()) == 1


@pytest.mark.parametrize("spelling", ["ADA@EXAMPLE.COM", "\uff41\uff44\uff41@example.com", "Ada@example.com"])
async def test_an_email_is_one_however_it_is_spelt(desk: Desk, spelling: str) -> None:
    assert (await desk.register("ada@example.com")).status == 201
    assert (await desk.register(spelling)).status == 409


async def test_nobody_becomes_an_admin_by_asking(desk: Desk) -> None:
    assert (await desk.register(role="admin")).status == 422
    assert await desk.deps.database.fetchval("SELECT count(*) FROM accounts") == 0


@pytest.mark.parametrize(
    ("password", "slug"),
    [
        ("short7!", "unprocessable"),
        ("x" * 201, "unprocessable"),
        ("Password1", "password-common"),
        ("  qwertyuiop ", "password-common"),
        ("aaaaaaaaaa", "password-common"),
        ("Grace.Hopper@example.com", "password-is-email"),
        ("grace.hopper", "password-is-email"),
    ],
)
async def test_a_password_that_is_guessed_first_is_refused(desk: Desk, password: str, slug: str) -> None:
    told = await desk.register("grace.hopper@example.com", password=password)
    assert (told.status, told.json["slug"]) == (422, slug)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b'{"email":1}',
        b'{"email":"a@b.c","password":"correct horse","name":"\\ud800","role":"buyer"}',
        b'{"email":"a@b.c","password":"correct\\udc00 horse","name":"x","role":"buyer"}',
        b'{"email":"a@b.c","password":"correct horse","name":"\\u0000","role":"buyer"}',
        b'{"email":"a\xe2\x80\x8b@b.cd","password":"correct horse","name":"x","role":"buyer"}',
        b'{"email":"a@b.cd","password":"correct horse","name":"\xe2\x80\x8b","role":"buyer"}',
        b'{"email":"a@b.cd","password":"correct horse","name":"\xef\xb7\xba","role":"\xff"}',
        b"[" * 100_000,
    ],
)
async def test_a_registration_that_cannot_be_read_is_refused_as_such(desk: Desk, body: bytes) -> None:
    assert (await desk.ask("POST", "register", body)).status == 422


async def test_only_a_hash_of_the_password_is_stored(desk: Desk) -> None:
    await desk.register()
    stored = await desk.deps.database.fetchval("SELECT password_hash FROM accounts")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


async def test_a_registration_sent_twice_under_one_key_is_one_and_gives_one_answer(desk: Desk) -> None:
    first = await desk.register("ada@example.com", idempotency_key="k1", x_nextbuy_cookies="yes")
    again = await desk.register("ada@example.com", idempotency_key="k1", x_nextbuy_cookies="yes")
    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert again.header("idempotency-replayed") == "true"
    assert again.cookies.output() == first.cookies.output() != ""
    assert await desk.deps.database.fetchval("SELECT count(*) FROM sessions") == 1
