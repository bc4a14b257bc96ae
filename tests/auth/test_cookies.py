import msgspec
import pytest

from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import SETTINGS, ServiceHarness, start_service


async def test_client_that_requests_cookies_gets_cookies_and_tokens(service: ServiceHarness) -> None:
    registered = await service.register("ada@example.com", x_nextbuy_cookies="yes")
    for response in (registered, await service.login("ada@example.com", x_nextbuy_cookies="yes")):
        jar = response.cookies
        access, refresh, csrf = jar["nextbuy_access"], jar["nextbuy_refresh"], jar["nextbuy_csrf"]
        assert access.value == response.json["access_token"]
        assert refresh.value == response.json["refresh_token"]
        assert (access["httponly"], access["samesite"], access["path"]) == (True, "Lax", "/")
        assert (refresh["httponly"], refresh["samesite"]) == (True, "Lax")
        assert refresh["path"] == "/"
        assert (csrf["httponly"], csrf["path"]) == ("", "/")
        assert len(csrf.value) > 30
        device = jar["nextbuy_device"]
        assert (device["httponly"], device["samesite"], device["path"]) == (True, "Lax", "/")
        assert int(device["max-age"]) == 365 * 86_400
        assert not access["secure"]


async def test_no_cookies_unless_requested(service: ServiceHarness) -> None:
    assert not (await service.register()).cookies


async def test_cookies_are_secure_if_public_url_is_https(database: Database) -> None:
    service = await start_service(
        database, settings=msgspec.structs.replace(SETTINGS, public_url="https://shop.example")
    )
    jar = (await service.register(x_nextbuy_cookies="yes")).cookies
    assert all(morsel["secure"] for morsel in jar.values())
    assert len(jar) == 4
    service.deps.passwords.close()


async def test_cookie_suffices_for_reads_and_mutations_need_csrf_token(service: ServiceHarness) -> None:
    jar = (await service.register(x_nextbuy_cookies="yes")).cookies
    cookie = f'odd={{"a":1}}; nextbuy_access={jar["nextbuy_access"].value}; nextbuy_csrf={jar["nextbuy_csrf"].value}'
    assert (await service.request("GET", "me", cookie=cookie)).status == 200
    response = await service.request("POST", "logout", cookie=cookie)
    assert (response.status, response.json["slug"]) == (403, "csrf")
    response = await service.request("POST", "logout", cookie=cookie, x_csrf_token=jar["nextbuy_csrf"].value)
    assert response.status == 204


@pytest.mark.parametrize("header", ["yes", ""])
async def test_logout_deletes_cookies(service: ServiceHarness, header: str) -> None:
    jar = (await service.register(x_nextbuy_cookies="yes")).cookies
    csrf = jar["nextbuy_csrf"].value
    cookie = f"nextbuy_access={jar['nextbuy_access'].value}; nextbuy_csrf={csrf}"
    response = await service.request("POST", "logout", cookie=cookie, x_csrf_token=csrf, x_nextbuy_cookies=header)
    assert response.text == b""
    assert {(name, morsel.value, morsel["max-age"]) for name, morsel in response.cookies.items()} == {
        ("nextbuy_access", "", "0"),
        ("nextbuy_refresh", "", "0"),
        ("nextbuy_csrf", "", "0"),
        ("nextbuy_basket", "", "0"),
    }
    assert response.cookies["nextbuy_refresh"]["path"] == "/"


@pytest.mark.parametrize("scheme", ["Basic dXNlcjpwYXNz", "Negotiate x", "Digest a=b"])
async def test_other_scheme_beside_the_cookie_says_nothing(service: ServiceHarness, scheme: str) -> None:
    jar = (await service.register(x_nextbuy_cookies="yes")).cookies
    csrf = jar["nextbuy_csrf"].value
    cookie = f"nextbuy_access={jar['nextbuy_access'].value}; nextbuy_csrf={csrf}"

    assert (await service.request("GET", "me", cookie=cookie, authorization=scheme)).status == 200
    assert (await service.request("POST", "logout", cookie=cookie, authorization=scheme)).json["slug"] == "csrf"
    response = await service.request("POST", "logout", cookie=cookie, authorization=scheme, x_csrf_token=csrf)
    assert response.status == 204


async def test_invalid_cookie_before_the_valid_one_is_passed_over_and_deleted(service: ServiceHarness) -> None:
    good = (await service.register(x_nextbuy_cookies="yes")).cookies["nextbuy_access"].value

    response = await service.request("GET", "me", cookie=f"nextbuy_access=old; a=b; nextbuy_access={good}")

    assert response.status == 200
    assert [value for name, value in response.headers if name == "set-cookie"] == [
        f"nextbuy_access=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax"
        for path in ("/auth", "/auth/api", "/auth/api/me")
    ]


async def test_invalid_cookie_alone_is_deleted(service: ServiceHarness) -> None:
    response = await service.request("GET", "me", cookie="nextbuy_access=old")

    assert (response.status, response.json["slug"]) == (401, "token-invalid")
    assert "nextbuy_access=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax" in dict.fromkeys(
        value for name, value in response.headers if name == "set-cookie"
    )


async def test_valid_cookie_alone_and_invalid_header_delete_nothing(service: ServiceHarness) -> None:
    good = (await service.register(x_nextbuy_cookies="yes")).cookies["nextbuy_access"].value

    for headers in ({"cookie": f"nextbuy_access={good}"}, {"authorization": "Bearer old"}, {}):
        response = await service.request("GET", "me", **headers)
        assert not response.cookies


def forged_tokens(token: str, count: int) -> list[str]:
    """Return tokens like a valid one, which only a verification of their signatures can refuse."""
    signed, _, signature = token.rpartition(".")
    return [f"{signed}.{n:04}{signature[4:]}" for n in range(count)]


@pytest.mark.parametrize("kind", ["junk", "forged", "ended session", "another account", "between"])
async def test_planted_access_cookies_neither_hide_nor_delete_the_good_one(service: ServiceHarness, kind: str) -> None:
    ada = await service.register("ada@example.com", x_nextbuy_cookies="yes")
    good = ada.cookies["nextbuy_access"].value
    other = (await service.register("eve@example.com")).json["access_token"]
    if kind == "ended session":
        assert (await service.request("POST", "logout", token=other)).status == 204
    junk = [f"junk{n}" for n in range(500)]
    before, after = {
        "junk": (junk, junk),
        "forged": (forged_tokens(good, 50), []),
        "between": (forged_tokens(good, 20), [*forged_tokens(other, 3), "x"]),
    }.get(kind, ([other], []))

    cookie = "; ".join(f"nextbuy_access={token}" for token in [*before, good, *after])
    response = await service.request("GET", "me", cookie=cookie)

    assert (response.status, response.json["user"]["email"]) == (200, "ada@example.com")
    deleted = [value for name, value in response.headers if name == "set-cookie"]
    assert len(deleted) == 3
    assert not [value for value in deleted if "Path=/;" in value]


async def test_good_cookie_that_was_not_verified_is_not_deleted(service: ServiceHarness) -> None:
    good = (await service.register()).json["access_token"]

    cookie = "; ".join(f"nextbuy_access={token}" for token in [good, *forged_tokens(good, 60)])
    response = await service.request("GET", "me", cookie=cookie)

    assert response.status == 401
    assert not response.cookies


async def test_planted_csrf_and_refresh_cookies_do_not_hide_the_good_ones(service: ServiceHarness) -> None:
    jar = (await service.register(x_nextbuy_cookies="yes")).cookies
    access, refresh, csrf = (jar[f"nextbuy_{name}"].value for name in ("access", "refresh", "csrf"))
    planted = [f"{n:043}" for n in range(100)]

    for good, name in ((refresh, "refresh"), (csrf, "csrf")):
        cookie = "; ".join(f"nextbuy_{name}={value}" for value in [*planted, good, *planted])
        path = "refresh-session" if name == "refresh" else "logout"
        if name == "csrf":
            cookie += f"; nextbuy_access={access}"
        response = await service.request("POST", path, cookie=cookie, x_csrf_token=csrf)
        assert response.status == (200 if name == "refresh" else 204)
