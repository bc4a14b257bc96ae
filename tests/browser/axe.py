"""axe-core, which finds what keeps people from using a page."""

from importlib import resources
from typing import Final

from playwright.sync_api import Page

_AXE: Final = (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def serious_findings(page: Page) -> list[str]:
    """Return the findings about an open page of any severity but "minor"."""
    page.evaluate(_AXE)
    violations = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in violations if one["impact"] != "minor"]
