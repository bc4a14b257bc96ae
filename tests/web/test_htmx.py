"""htmx is vendored unchanged, and works under the content security policy: without eval and without inline style."""

import re
from hashlib import sha256
from importlib import resources
from typing import Final

import pytest

from nextbuy.web.visit import SECURITY

_WEB: Final = resources.files("nextbuy.web")
_VENDORED: Final = {
    "htmx.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "hx-sse.js": "18ef2761356ec1fe0bb6d92612315b37517a7c1e9856b661c5ae81fef239d103",
}
"""The SHA-256 of each file of the npm package htmx.org 4.0.1."""
_OF_OTHER_PAGE: Final = re.compile(r'hx-get="/[^>]*')
"""An element that is a part of another page than the one it is on, from its request on."""
_NEEDS_EVAL: Final = re.compile(r'\bhx-on\b|\bhx-(?:vals|headers)="js:|\bhx-trigger="[^"]*\[|\bhx-confirm="js:')


@pytest.mark.parametrize("name", _VENDORED)
def test_vendored_script_is_unchanged(name: str) -> None:
    content = (_WEB / "static" / "vendor" / name).read_bytes()

    assert sha256(content).hexdigest() == _VENDORED[name]


def test_policy_allows_neither_eval_nor_inline_style() -> None:
    assert "unsafe" not in SECURITY["content-security-policy"]
    assert "script-src" not in SECURITY["content-security-policy"], "scripts follow default-src 'self'"


def test_layout_switches_the_inline_style_of_htmx_off() -> None:
    assert '"includeIndicatorCSS": false' in (_WEB / "layout.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def templates() -> dict[str, str]:
    """The texts of all templates by their names."""
    folders = (_WEB, _WEB / "pages", _WEB / "components")
    files = [file for folder in folders for file in folder.iterdir() if file.name.endswith(".html")]
    assert len(files) > 40
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def test_no_template_needs_eval(templates: dict[str, str]) -> None:
    assert _NEEDS_EVAL.search('<div hx-trigger="click[ctrlKey]">')

    assert [name for name, text in templates.items() if _NEEDS_EVAL.search(text)] == []


def test_part_of_another_page_does_not_change_the_title(templates: dict[str, str]) -> None:
    parts = [part for text in templates.values() for part in _OF_OTHER_PAGE.findall(text)]

    assert parts
    assert [part for part in parts if "ignoreTitle:true" not in part] == []
