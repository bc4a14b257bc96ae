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


def test_no_template_needs_eval() -> None:
    folders = (_WEB, _WEB / "pages", _WEB / "components")
    templates = [file for folder in folders for file in folder.iterdir() if file.name.endswith(".html")]
    assert len(templates) > 40
    assert _NEEDS_EVAL.search('<div hx-trigger="click[ctrlKey]">')

    assert [file.name for file in templates if _NEEDS_EVAL.search(file.read_text(encoding="utf-8"))] == []
