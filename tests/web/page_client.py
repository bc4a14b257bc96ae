"""A browser without script: it keeps cookies, follows redirects, and fills in the forms of a page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from multidict import CIMultiDictProxy


@dataclass
class Form:
    """A form with the values that it would send."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.title = ""
        self._area = ""
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag not in {"input", "img", "meta", "link", "br", "path"}:
            self._inside.append(tag)
        if tag == "form":
            self.forms.append(Form(attributes.get("action", ""), attributes.get("method", "get")))
        elif tag == "a" and "href" in attributes:
            self.links.append((attributes["href"], ""))
        elif tag == "input" and "name" in attributes and self.forms:
            chosen = attributes.get("type") not in {"radio", "checkbox"} or "checked" in attributes
            if chosen:
                self.forms[-1].fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "textarea" and self.forms:
            self._area = attributes.get("name", "")
            self.forms[-1].fields[self._area] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "title" in self._inside and "svg" not in self._inside:
            self.title += data
        elif self._inside[-1:] == ["textarea"]:
            # The first line break of the content belongs to the markup.
            fields = self.forms[-1].fields
            fields[self._area] += data if fields[self._area] else data.removeprefix("\n")
        elif not {"script", "style"} & set(self._inside):
            self.texts.append(data)
        if self.links and self._inside[-1:] == ["a"]:
            href, text = self.links[-1]
            self.links[-1] = (href, text + data)


@dataclass(frozen=True)
class Page:
    """A page as the client sees it."""

    status: int
    url: str
    headers: CIMultiDictProxy[str]
    html: str
    forms: list[Form]
    links: list[tuple[str, str]]
    title: str
    text: str
    """The visible text, with single blanks."""

    @property
    def path(self) -> str:
        """The path of the page, after redirects."""
        return urlsplit(self.url).path

    def form(self, action: str, number: int = 0) -> Form:
        """Return a form by its action."""
        return [form for form in self.forms if form.action == action][number]


class PageClient:
    """One browser."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str, *, keeps_cookies: bool = True) -> AsyncIterator[Self]:
        """Open a new browser for the duration of the context; its visitor may have switched cookies off."""
        jar = aiohttp.CookieJar(unsafe=True) if keeps_cookies else aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=30)) as session:
            yield cls(url, session)

    async def sign_up(self, email: str, password: str, *, wanted: str) -> Page:
        """Open a buyer's account, and go to a page."""
        page = await self.get(f"/sign-in?next={wanted}")
        return await self.submit(page, "/sign-up", name="Ada", email=email, role="buyer", password=password)

    async def sign_in(self, email: str, password: str, *, wanted: str = "") -> Page:
        """Sign in with an account that exists, and go to a page."""
        page = await self.get(f"/sign-in?next={wanted}" if wanted else "/sign-in")
        return await self.submit(page, "/sign-in", email=email, password=password)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return {cookie.key: cookie.value for cookie in self._session.cookie_jar}

    def drop_cookie(self, name: str) -> None:
        """Delete a cookie, as a browser does when it has expired."""
        self._session.cookie_jar.clear(lambda cookie: cookie.key == name)

    async def get(self, path: str, **headers: str) -> Page:
        """Open a page."""
        return await self._request("GET", path, None, headers)

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form, as a page of this site."""
        return await self._request("POST", path, fields, {"origin": self.url, **headers})

    async def submit(self, page: Page, action: str, number: int = 0, **fields: str) -> Page:
        """Fill in a form of a page, and send it."""
        form = page.form(action, number)
        return await self.post(urljoin(page.url, form.action), {**form.fields, **fields})

    async def _request(self, method: str, path: str, fields: dict[str, str] | None, headers: dict[str, str]) -> Page:
        url = urljoin(f"{self.url}/", path)
        async with self._session.request(method, url, data=fields, headers=headers) as response:
            html = await response.text()
            reader = _Reader()
            reader.feed(html)
            return Page(
                response.status,
                str(response.url),
                response.headers,
                html,
                reader.forms,
                reader.links,
                reader.title,
                " ".join(" ".join(reader.texts).split()),
            )
