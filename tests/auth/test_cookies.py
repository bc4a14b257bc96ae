import msgspec
import pytest

from nextbuy.kit.storage.database import Database
from tests.auth.service_harness import SETTINGS, Desk, open_desk


async def test_a_browser_that_asks_gets_cookies_beside_the_tokens(desk: Desk) -> None:
    registered = await desk.register("ada@example.com", x_nextbuy_cookies="yes")
    for told in (registered, await desk.login("ada@example.com", x_nextbuy_cookies="yes")):
        jar = told.cookies
        access, refresh, csrf = jar["nextbuy_access"], jar["nextbuy_refresh"], jar["nextbuy_csrf"]
        assert access.value == told.json["access_token"]
        assert refresh.value == told.json["refresh_token"]
        assert (access["httponly"], access["samesite"], access["path"]) == (True, "Lax", "/")
        assert (refresh["httponly"], refresh["samesite"]) == (True, "Strict")
        assert refresh["path"] == "/auth/api/refresh-session"
        assert (csrf["httponly"], csrf["path"]) == ("", "/")
        assert len(csrf.value) > 30
        assert not access["secure"]


async def test_who_does_not_ask_gets_none(desk: Desk) -> None:
    assert not (await desk.register()).cookies


async def test_cookies_are_for_https_alone_where_the_shop_is(database: Database) -> None:
    desk = await open_desk(database, settings=msgspec.structs.replace(SETTINGS, public_url="https://shop.example"))
    jar = (await desk.register(x_nextbuy_cookies="yes")).cookies
    assert all(morsel["secure"] for morsel in jar.values())
    assert len(jar) == 3
    desk.deps.passwords.close()


async def test_a_cookie_is_enough_to_read_and_needs_the_csrf_token_to_change_anything(desk: Desk) -> None:
    jar = (await desk.register(x_nextbuy_cookies="yes")).cookies
    cookie = f'odd={{"a":1}}; nextbuy_access={jar["nextbuy_access"].value}; nextbuy_csrf={jar["nextbuy_csrf"].value}'
    assert (await desk.ask("GET", "me", cookie=cookie)).status == 200
    told = await desk.ask("POST", "logout", cookie=cookie)
    assert (told.status, told.json["slug"]) == (403, "csrf")
    told = await desk.ask("POST", "logout", cookie=cookie, x_csrf_token=jar["nextbuy_csrf"].value)
    assert told.status == 204


@pytest.mark.parametrize("header", ["yes", ""])
async def test_logging_out_takes_the_cookies_away(desk: Desk, header: str) -> None:
    jar = (await desk.register(x_nextbuy_cookies="yes")).cookies
    csrf = jar["nextbuy_csrf"].value
    cookie = f"nextbuy_access={jar['nextbuy_access'].value}; nextbuy_csrf={csrf}"
    told = await desk.ask("POST", "logout", cookie=cookie, x_csrf_token=csrf, x_nextbuy_cookies=header)
    assert told.text == b""
    assert {(name, morsel.value, morsel["max-age"]) for name, morsel in told.cookies.items()} == {
        ("nextbuy_access", "", "0"),
        ("nextbuy_refresh", "", "0"),
        ("nextbuy_csrf", "", "0"),
    }
    assert told.cookies["nextbuy_refresh"]["path"] == "/auth/api/refresh-session"
