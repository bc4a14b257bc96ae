"""In a generated language each message of the catalogue has brackets, so that a text without them is not in it.

The pages run in the test, in that language, with the API of a marketplace behind them. Texts that services write
(errors, titles of notifications) are values to a page, and so are the documents of the operator.
"""

import re
from functools import partial
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import pytest
from jinja2 import Environment, nodes
from markupsafe import Markup
from starlette.routing import compile_path

from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Handler, Request, Response
from nextbuy.web.app import PAGES, pages
from nextbuy.web.demo_logins import DEMO_LOGINS
from nextbuy.web.pages.document import DOCUMENTS
from nextbuy.web.site import Site

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("browser")]

_PATTERNS: Final = {path: compile_path(path)[0] for path in PAGES}
_UNREAD: Final = {"/robots.txt", *(f"/{name}" for name in DOCUMENTS)}
"""Not read: `robots.txt` is for programs, and documents are texts of the operator."""
_UNLINKED: Final = (
    "/nothing",
    "/forgot-password",
    "/reset-password?token=x",
    "/confirm-email?token=x",
    "/search?q=zzzz",
)
_STYLE_GUIDE: Final = "pages/styleguide.html"
_EXAMPLE: Final = re.compile(r"\{% macro example\(samples\) %\}.*?\{% endmacro %\}", re.DOTALL)
"""Like the style guide, for the people who work on the pages, so it is not translated."""
_SPOKEN: Final = {"alt", "aria-label", "placeholder", "title"}
_TRANSLATED, _DATA = "\u27e6{}\u27e7", "\ue000{}\ue001"
_MARKED: Final = re.compile(r"[\u27e6\ue000][^\u27e6\u27e7\ue000\ue001]*[\u27e7\ue001]")
_LETTERS: Final = re.compile(r"[^\W\d_]")
_SENTENCE: Final = re.compile(r"[A-Z][a-z]|[a-z] [a-z]")
_PER_PAGE: Final = 2
"""Paths that are opened for each page and account."""


class PseudoLanguage(NullTranslations):
    """A language in which each message is itself, in brackets."""

    def gettext(self, message: str) -> str:
        """Return a message in brackets."""
        return _TRANSLATED.format(message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the singular or the plural in brackets."""
        return _TRANSLATED.format(msgid1 if n == 1 else msgid2)


class PseudoSite(Site):
    """A site in the pseudo-language, in which the values of a page are marked too."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        super().__init__(settings, demo=demo, translations=PseudoLanguage())
        self._templates.finalize = _mark
        # Components were compiled for their styles, without the marks.
        self._templates.cache = {}


def _mark(value: object) -> object:
    return _DATA.format(value) if isinstance(value, str) and not isinstance(value, Markup) else value


class _Reader(HTMLParser):
    """Reads the texts that people see or hear, one piece per line."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.links: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.texts.append("\n")
        if tag in {"script", "style", "time"}:
            self._hidden = tag
        self.texts += [f"\n{value}\n" for name, value in attrs if name in _SPOKEN and value]
        self.links += [re.sub("[\ue000\ue001]", "", value) for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self.texts.append("\n")
        self._hidden = "" if tag == self._hidden else self._hidden

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.texts.append(data)


def read(html: str) -> tuple[list[str], list[str]]:
    """Return the texts of a page that are neither messages nor values, and its links."""
    reader = _Reader()
    reader.feed(html)
    text, count = "".join(reader.texts), 1
    while count:
        text, count = _MARKED.subn("", text)
    left = [line.replace("NextBuy", "").strip() for line in text.splitlines()]
    return [line for line in left if _LETTERS.search(line)], reader.links


@pytest.mark.parametrize("name", ["", *(login.name for login in DEMO_LOGINS)])
async def test_each_visible_text_is_in_the_catalogue(
    shop_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("nextbuy.web.app.Site", PseudoSite)
    async with aiohttp.ClientSession(shop_url, cookie_jar=aiohttp.DummyCookieJar()) as session:
        site = pages(partial(_send, session), settings=Settings(secret=b"s" * 16, data=tmp_path), demo=True)
        cookie = await _sign_in(site, name) if name else ""
        found: dict[str, list[str]] = {}
        opened: dict[str, set[str]] = {}
        waiting = ["/", *_UNLINKED]
        while waiting:
            path, _, query = waiting.pop().partition("?")
            page = next((page for page, pattern in _PATTERNS.items() if pattern.match(path)), "")
            paths = opened.setdefault(page, set())
            if page in _UNREAD or path in paths or len(paths) == _PER_PAGE:
                continue
            paths.add(path)
            response = await site(Request("GET", path, query, {"cookie": cookie}))
            texts, links = read(response.body.decode())
            found |= {path: texts} if texts else {}
            waiting += [link for link in links if not urlsplit(link).netloc and link.startswith("/")]

    assert found == {}
    assert len(opened) > 10


def test_each_text_of_a_template_is_in_the_catalogue_in_branches_that_were_not_rendered_too(tmp_path: Path) -> None:
    templates = PseudoSite(Settings(secret=b"s" * 16, data=tmp_path), demo=True)._templates
    assert templates.loader is not None
    names = [name for name in templates.list_templates(["html"]) if name != _STYLE_GUIDE]
    sources = {name: templates.loader.get_source(templates, name)[0] for name in names}

    assert {name: found for name, source in sources.items() if (found := plain_texts(templates, source))} == {}


def plain_texts(templates: Environment, source: str) -> list[str]:
    """Return the texts of a template that are not messages, also in expressions such as `field("Your name")`."""
    tree = templates.parse(_EXAMPLE.sub("", source))
    styles = {id(part) for block in tree.find_all(nodes.AssignBlock) for part in block.find_all(nodes.TemplateData)}
    markup = "".join(part.data for part in tree.find_all(nodes.TemplateData) if id(part) not in styles)
    messages = {
        id(argument)
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in {"_", "gettext", "ngettext"}
        for argument in call.args
    }
    texts = [one.value for one in tree.find_all(nodes.Const) if id(one) not in messages and isinstance(one.value, str)]
    return read(markup)[0] + [text for text in texts if _SENTENCE.search(text)]


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("<p>\u27e6Hello\u27e7 \ue000Ann\ue001</p>", []),
        ("<p>\u27e6Hello <b>\ue000Ann\ue001</b>, welcome\u27e7</p>", []),
        ("<p>Hello \ue000Ann\ue001</p>", ["Hello"]),
        ('<input placeholder="Search"><script>const a = 1;</script>', ["Search"]),
        ("<title>\u27e6Basket\u27e7 · NextBuy</title>", []),
    ],
)
def test_planted_text_is_found(html: str, found: list[str]) -> None:
    assert read(html)[0] == found


def test_planted_text_of_a_template_is_found(tmp_path: Path) -> None:
    templates = PseudoSite(Settings(secret=b"s" * 16, data=tmp_path), demo=True)._templates
    source = (
        """<p>Hello {{ name }}, {% trans %}welcome{% endtrans %} {{ field("Your name") }} {{ field(_("Age")) }}</p>"""
    )

    assert read(templates.from_string(source).render(name="Ann", field=str))[0] == ["Hello ,"]
    assert plain_texts(templates, source) == ["Hello ,", "Your name"]


async def _send(session: aiohttp.ClientSession, request: Request) -> Response:
    headers = {name: value for name, value in request.headers.items() if name != "host"}
    async with session.request(request.method, request.target, data=request.body, headers=headers) as response:
        cookies = [("set-cookie", value) for value in response.headers.getall("set-cookie", [])]
        return Response(response.status, await response.read(), response.content_type, cookies)


async def _sign_in(site: Handler, name: str) -> str:
    """Sign in with a demo account; return its cookies."""
    login = next(login for login in DEMO_LOGINS if login.name == name)
    fields = urlencode({"email": login.email, "password": login.password})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    response = await site(Request("POST", "/sign-in", "", headers, fields.encode()))
    return "; ".join(value.partition(";")[0] for name, value in response.headers if name == "set-cookie")
