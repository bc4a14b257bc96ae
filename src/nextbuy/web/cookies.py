"""The cookies of a visitor: those that the browser sent, and those that the API has set since."""

from collections.abc import Iterable, Mapping
from typing import Final

from nextbuy.kit.http.tokens import ACCESS_COOKIE, BASKET_COOKIE, CSRF_COOKIE, REFRESH_COOKIE

_SESSION: Final = {ACCESS_COOKIE: "HttpOnly; ", REFRESH_COOKIE: "HttpOnly; ", CSRF_COOKIE: ""}
_PERSONAL: Final = _SESSION | {BASKET_COOKIE: "HttpOnly; "}


class Cookies:
    """The cookies that a page sends to the API, and the changes that it passes on to the browser."""

    def __init__(self, header: str) -> None:
        """Take the value of a Cookie header."""
        self.header = header
        self.changes: list[tuple[str, str]] = []
        """The Set-Cookie headers of the page."""

    def get(self, name: str) -> str:
        """Return the first value of a cookie, "" without one."""
        if not self.header:
            return ""
        return next((value for found, value in self._pairs() if found == name and value), "")

    def apply(self, headers: Iterable[tuple[str, str]]) -> None:
        """Store the cookies that a response of the API sets or deletes, for later requests and for the browser."""
        for header, value in headers:
            if header == "set-cookie":
                self.changes.append((header, value))
                name, _, rest = value.partition("=")
                self._replace(name, rest.partition(";")[0])

    def end_session(self) -> None:
        """Delete the cookies of a login session that has ended."""
        self._delete(_SESSION)

    def leave_browser(self) -> None:
        """Delete all cookies of a person, also that of the basket: another person may use this browser next."""
        self._delete(_PERSONAL)

    def _delete(self, names: Mapping[str, str]) -> None:
        self.apply(("set-cookie", f"{name}=; Path=/; Max-Age=0; {rule}SameSite=Lax") for name, rule in names.items())

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = (pair.partition("=") for pair in self.header.split(";"))
        return [(name.strip(), value.strip()) for name, _, value in pairs]

    def _replace(self, name: str, value: str) -> None:
        others = [f"{found}={old}" for found, old in self._pairs() if found and found != name]
        self.header = "; ".join([*others, f"{name}={value}"] if value else others)
