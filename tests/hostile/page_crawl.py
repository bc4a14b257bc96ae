"""A visitor who follows every link of the pages, and the rules that each page keeps whatever was typed."""

from collections import deque
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin, urlsplit

from starlette.routing import compile_path

from nextbuy.web.app import FORMS
from tests.hostile.judging import leak
from tests.web.page_client import Form, Page, PageClient
from tests.web.page_paths import is_page

MARKER: Final = "hostile-marker"
MARKUP: Final = f"'\"></textarea></title></script><script>{MARKER}()</script><img src={MARKER} onerror={MARKER}()>"
"""Markup that leaves an attribute, a text area, a title or a script, if it is written there without escaping."""

_PATTERNS: Final = {path: compile_path(path)[0] for path in FORMS}
_MAX_PAGES: Final = 150


@dataclass(frozen=True)
class FoundForm:
    """A form, and the page on which it is."""

    page: str
    number: int
    form: Form

    @property
    def target(self) -> str:
        """The URL that the form posts to."""
        return urljoin(self.page, self.form.action)


class _Markup(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.found += [f"{tag} with {name}" for name in attributes if name.startswith("on")]
        links = (attributes.get(name, "") for name in ("href", "src", "action"))
        self.found += [f"{tag} to {link[:40]}" for link in links if link == MARKER or link.startswith("javascript:")]
        if tag == "script" and "src" not in attributes and attributes.get("type") != "application/ld+json":
            self.found.append("a script inside the page")


def page_fault(page: Page) -> str | None:
    """Return what is wrong with a page, whatever was sent to it; None if nothing is."""
    if page.status >= 500:
        return f"status {page.status}"
    reader = _Markup()
    if page.headers["content-type"].startswith("text/html"):
        reader.feed(page.html)
    return ", ".join(reader.found) or leak(page.html.encode())


def form_path(url: str) -> str | None:
    """Return the path of a form as it is declared, or None for a form that only reads."""
    path = urlsplit(url).path
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(path)), None)


async def crawl(client: PageClient, *starts: str) -> tuple[dict[str, int], dict[str, FoundForm]]:
    """Follow the links of each page; return the statuses by path, and one form for each path that forms post to."""
    statuses: dict[str, int] = {}
    forms: dict[str, FoundForm] = {}
    waiting = deque(starts)
    while waiting and len(statuses) < _MAX_PAGES:
        path = waiting.popleft()
        if path in statuses:
            continue
        page = await client.get(path)
        statuses[path] = page.status
        assert page_fault(page) is None, f"{path}: {page_fault(page)}"
        for number, form in enumerate(page.forms):
            target = form_path(urljoin(page.url, form.action))
            if target is not None and form.method == "post":
                forms.setdefault(target, FoundForm(path, number, form))
        links = (urlsplit(urljoin(page.url, href)) for href, _ in page.links)
        waiting += [
            link._replace(scheme="", netloc="", fragment="").geturl()
            for link in links
            if link.netloc == urlsplit(client.url).netloc and is_page(link.path)
        ]
    return statuses, forms
