"""The style guide has all tokens and components, with examples; the colours of texts are readable."""

import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest

from nextbuy.contracts.errors import ServiceUnavailable
from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Request, Response, problem_response
from nextbuy.web.app import pages
from nextbuy.web.design_tokens import contrast, contrasts, read_tokens
from nextbuy.web.site import Site

SHEET = (resources.files("nextbuy.web") / "static" / "shop.css").read_text(encoding="utf-8")


async def unavailable(_request: Request) -> Response:
    """Answer as a gateway whose services are down."""
    return problem_response(ServiceUnavailable("product"), "request-1")


async def open_guide(folder: Path, *, demo: bool) -> Response:
    site = pages(unavailable, settings=Settings(secret=b"s" * 16, data=folder), demo=demo)
    return await site(Request("GET", "/styleguide", "", {}))


class Examples(HTMLParser):
    """Counts the elements in the example of each component."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: dict[str, int] = {}
        self._name = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        label = dict(attrs).get("aria-labelledby") or ""
        if tag == "section" and label.startswith("component-"):
            self._name = label.removeprefix("component-")
        elif tag == "div" and dict(attrs).get("class") == "panel" and self._name:
            self.elements[self._name] = 0
        elif self._name in self.elements:
            self.elements[self._name] += 1


async def test_guide_shows_an_example_of_each_component(tmp_path: Path) -> None:
    guide = await open_guide(tmp_path, demo=True)
    examples = Examples()
    examples.feed(guide.body.decode())

    assert guide.status == 200
    site = Site(Settings(secret=b"s" * 16, data=tmp_path), demo=True)
    assert [name for name, count in examples.elements.items() if count] == [one.name for one in site.components()]


async def test_guide_shows_each_token(tmp_path: Path) -> None:
    page = (await open_guide(tmp_path, demo=True)).body.decode()

    tokens = read_tokens(SHEET)
    assert {"text-m", "space-4", "ink", "round"} <= {token.name for token in tokens}
    assert [token.name for token in tokens if f"<code>--{token.name}</code>" not in page] == []


async def test_guide_is_absent_outside_of_the_demo_market(tmp_path: Path) -> None:
    assert (await open_guide(tmp_path, demo=False)).status == 404


def test_colours_of_texts_are_readable_in_both_schemes() -> None:
    pairs = contrasts(read_tokens(SHEET))

    assert len(pairs) > 20
    assert [one for one in pairs if min(one.light, one.dark) < one.required] == []


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000", "#ffffff", 21.0), ("#777777", "#fff", 4.48), ("#1f6f5c", "#1f6f5c", 1.0)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.01)


def test_used_tokens_are_those_that_are_defined() -> None:
    names = {token.name for token in read_tokens(SHEET)}
    styles = [entry.read_text(encoding="utf-8") for entry in (resources.files("nextbuy.web") / "components").iterdir()]

    assert set(re.findall(r"var\(--([a-z0-9-]+)", "".join([SHEET, *styles]))) == names


def test_sizes_and_spaces_of_the_style_sheet_are_tokens() -> None:
    rules = SHEET.partition("*, *::before")[2]
    sizes = re.findall(r"font-size: ([^;}]+)", rules)
    spaces = re.findall(r"(?:margin|padding|gap)[a-z-]*: ([^;}]+)", rules)

    assert len(sizes) > 20 < len(spaces)
    assert [size for size in sizes if size != "0" and not size.startswith("var(--text-")] == []
    assert [space for space in spaces if re.search(r"\drem", space)] == []
