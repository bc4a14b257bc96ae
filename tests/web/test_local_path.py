"""The page after signing in is on this site, whatever the address of the sign-in page says."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

import nextbuy.web

NODE: Final = shutil.which("node")
DOM: Final = Path(nextbuy.web.__file__).parent / "static" / "dom.js"
SITE: Final = "http://shop.example:8080"
HOME: Final = "/sell"
OTHER_SITES: Final = [
    "/..//evil.example/phish",
    "/.//evil.example",
    "/x/..//evil.example",
    "..//evil.example",
    "/%2e%2e//evil.example",
    "/%2e//evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\n//evil.example",
    "http://evil.example",
    "https:evil.example",
    "http:////evil.example",
    f"{SITE}@evil.example",
    f"{SITE}.evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    f"blob:{SITE}/x",
    "http://[",
]
OWN_PAGES: Final = [
    "/sell",
    "/order/1?a=b#c",
    "basket",
    "/product/a%2fb",
    f"{SITE}/figures",
    "/search?q=//evil.example",
]


def local_paths(paths: list[str]) -> list[str]:
    """Return what `localPath` makes of each path, resolved as the browser does."""
    script = f"""
        globalThis.location = new URL({json.dumps(SITE + "/sign-in")});
        const {{ localPath }} = await import({json.dumps(DOM.as_uri())});
        const results = {json.dumps(paths)}.map((path) => new URL(localPath(path, {json.dumps(HOME)}), location).href);
        console.log(JSON.stringify(results));
    """
    assert NODE is not None
    run = [NODE, "--no-warnings", "--input-type=module", "--eval", script]
    found = subprocess.run(run, capture_output=True, check=True, text=True)
    results: list[str] = json.loads(found.stdout)
    return results


@pytest.mark.skipif(NODE is None, reason="needs Node")
def test_no_path_leads_to_another_site() -> None:
    for path, url in zip(OTHER_SITES, local_paths(OTHER_SITES), strict=True):
        assert urlsplit(url)[:2] == urlsplit(SITE)[:2], path


@pytest.mark.skipif(NODE is None, reason="needs Node")
def test_own_pages_are_kept() -> None:
    assert local_paths(OWN_PAGES) == [f"{SITE}/{path.removeprefix(SITE).lstrip('/')}" for path in OWN_PAGES]
