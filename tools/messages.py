"""Generate src/nextbuy/web/messages.pot from the texts of the templates (`--write`), or check that it is up to date.

The catalogue is what a translator starts from (GNU gettext). Positions are left out, so that it changes only when a
text does.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import write_po

from tools.tokens import ROOT

WEB: Final = Path("src") / "nextbuy" / "web"
CATALOGUE: Final = WEB / "messages.pot"
_METHODS: Final = [("**.html", "jinja2.ext:babel_extract")]
_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "**.html": {"silent": "false", "trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}
}


def messages(root: Path) -> Iterator[str | tuple[str, ...]]:
    """Yield each text of the templates, with its plural if it has one, in the order of files and lines."""
    for _, _, message, _, _ in extract_from_dir(root / WEB, _METHODS, _OPTIONS):
        yield message if isinstance(message, str) else tuple(part for part in message if part)


def catalogue(root: Path) -> str:
    """Return the catalogue of a tree."""
    found = Catalog(project="NextBuy", charset="utf-8")
    for message in messages(root):
        found.add(message)
    output = BytesIO()
    write_po(output, found, omit_header=True, sort_output=True, width=120)
    return output.getvalue().decode()


def problems(root: Path) -> list[str]:
    """Return a sentence if the catalogue of a tree is missing or out of date."""
    path = root / CATALOGUE
    is_current = path.exists() and path.read_text(encoding="utf-8") == catalogue(root)
    return [] if is_current else [f"{CATALOGUE}: out of date. Run `make docs`."]


def main() -> int:
    """Write the catalogue, or compare it; fail if it is out of date."""
    if "--write" in sys.argv[1:]:
        (ROOT / CATALOGUE).write_text(catalogue(ROOT), encoding="utf-8")
    found = problems(ROOT)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
