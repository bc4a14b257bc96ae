import asyncio
import gzip

import pytest

from nextbuy.contracts.auth import ValidateUser
from tests.auth.service_harness import PASSWORD, ServiceHarness


async def test_register_opens_session(service: ServiceHarness) -> None:
    response = await service.register("Ada@Example.com")
    assert response.status == 201
    assert set(response.json) == {"user", "access_token", "refresh_token", "expires_in"}
    assert response.json["expires_in"] == 900
    assert response.json["user"] | {"id": ""} == {
        "id": "",
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "role": "buyer",
        "email_confirmed": False,
    }
    account = await service.call(ValidateUser(token=response.json["access_token"]))
    assert str(account.id) == response.json["user"]["id"]


async def test_register_publishes_event(service: ServiceHarness) -> None:
    user = (await service.register(role="seller")).json["user"]
    [(topic, data)] = await service.events()
    assert topic == "account.registered"
    assert {"account_id": user["id"], "role": "seller", "link_id": data["link_id"]} == data


async def test_longest_name_and_email_are_published(service: ServiceHarness) -> None:
    email = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 57}.com"
    assert len(email) == 254
    # In normal form, this letter is two characters: what is too long then is refused.
    for name, status in (("\u0958" * 200, 422), ("x" * 200, 201)):
        body = {"email": email, "password": PASSWORD, "name": name, "role": "buyer"}
        assert (await service.request("POST", "register", body)).status == status
    assert len(await service.events()) == 1


async def test_concurrent_registrations_of_one_email_create_one_account(service: ServiceHarness) -> None:
    both = await asyncio.gather(service.register("one@example.com"), service.register(" ONE@example.com "))
    assert sorted(response.status for response in both) == [201, 409]
    assert next(response.json["slug"] for response in both if response.status == 409) == "email-taken"
    assert len(await service.events()) == 1


@pytest.mark.parametrize("spelling", ["ADA@EXAMPLE.COM", "\uff41\uff44\uff41@example.com", "Ada@example.com"])
async def test_spellings_of_one_email_are_one_account(service: ServiceHarness, spelling: str) -> None:
    assert (await service.register("ada@example.com")).status == 201
    assert (await service.register(spelling)).status == 409


@pytest.mark.parametrize(
    "email",
    [
        "x:victim@example.com",
        "x;victim@example.com",
        "(x)victim@example.com",
        "victim@example.com(x)",
        "x\uff1avictim@example.com",
        "x,victim@example.com",
        "dot.@example.com",
        "dot..dot@example.com",
        ".dot@example.com",
        "ada@-example.com",
        "\u7528\u6237@example.com",
    ],
)
async def test_address_that_another_program_may_read_differently_is_refused(
    service: ServiceHarness, email: str
) -> None:
    for response in (await service.register(email), await service.login(email)):
        assert (response.status, [error["field"] for error in response.json["errors"]]) == (422, ["email"])
        assert "e-mail address" in response.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "spelling", [" ada@example.com", "ada@example.com ", "\tADA@example.com\n", "ada@example.com\ufeff"]
)
async def test_spaces_around_email_are_ignored(service: ServiceHarness, spelling: str) -> None:
    assert (await service.register("ada@example.com")).status == 201

    assert (await service.login(spelling)).status == 200
    assert (await service.register(spelling)).json["slug"] == "email-taken"


async def test_domain_in_unicode_and_its_a_label_are_one_account(service: ServiceHarness) -> None:
    registered = await service.register("ada@b\u00fccher.example")

    assert registered.json["user"]["email"] == "ada@xn--bcher-kva.example"
    for spelling in ("ada@xn--bcher-kva.example", "ada@\uff42\u00fccher.example", "ada@B\u00dcCHER.example"):
        assert (await service.login(spelling)).status == 200
        assert (await service.register(spelling)).json["slug"] == "email-taken"


async def test_register_refuses_role_admin(service: ServiceHarness) -> None:
    assert (await service.register(role="admin")).status == 422
    assert await service.deps.database.fetchval("SELECT count(*) FROM accounts") == 0


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
async def test_weak_password_is_refused(service: ServiceHarness, password: str, slug: str) -> None:
    response = await service.register("grace.hopper@example.com", password=password)
    assert (response.status, response.json["slug"]) == (422, slug)


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
async def test_malformed_registration_is_unprocessable(service: ServiceHarness, body: bytes) -> None:
    assert (await service.request("POST", "register", body)).status == 422


async def test_only_hash_of_password_is_stored(service: ServiceHarness) -> None:
    await service.register()
    stored = await service.deps.database.fetchval("SELECT password_hash FROM accounts")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in stored


async def test_registration_with_same_idempotency_key_creates_one_account(service: ServiceHarness) -> None:
    first = await service.register("ada@example.com", idempotency_key="k1", x_nextbuy_cookies="yes")
    again = await service.register("ada@example.com", idempotency_key="k1", x_nextbuy_cookies="yes")
    assert (first.status, again.status) == (201, 201)
    assert again.text == first.text
    assert again.header("idempotency-replayed") == "true"
    assert again.cookies.output() == first.cookies.output() != ""
    assert await service.deps.database.fetchval("SELECT count(*) FROM sessions") == 1


async def test_people_behind_one_address_may_choose_the_same_idempotency_key(service: ServiceHarness) -> None:
    ada = await service.register("ada@example.com", idempotency_key="1")
    bob = await service.register("bob@example.com", idempotency_key="1")

    assert (ada.status, bob.status) == (201, 201)
    assert bob.json["user"]["email"] == "bob@example.com"


@pytest.mark.parametrize(
    "spelling",
    [" ada@b\u00fccher.example", "ada@b\u00fccher.example\n", "ADA@B\u00fccher.Example", "ada@xn--bcher-kva.example"],
)
async def test_registration_repeated_with_another_spelling_of_the_email_is_the_same(
    service: ServiceHarness, spelling: str
) -> None:
    first = await service.register("ada@b\u00fccher.example", idempotency_key="k1")
    again = await service.register(spelling, idempotency_key="k1")

    assert (first.status, again.status, again.text) == (201, 201, first.text)
    assert again.header("idempotency-replayed") == "true"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "GZIP, identity"])
async def test_compressed_body_is_refused_with_the_coding_that_is_accepted(
    service: ServiceHarness, coding: str
) -> None:
    body = gzip.compress(b"{}")

    response = await service.request("POST", "login", body, content_encoding=coding)

    assert (response.status, response.json["slug"]) == (415, "unsupported-content-encoding")
    assert response.header("accept-encoding") == "identity"


async def test_body_with_the_coding_identity_is_accepted(service: ServiceHarness) -> None:
    assert (await service.register(content_encoding="identity")).status == 201
