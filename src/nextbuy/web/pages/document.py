"""`/terms`, `/privacy`, `/returns`, `/contact` and `/imprint`: Markdown files, which the operator can replace."""

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup
from starlette.responses import Response

from nextbuy.web.visit import View, Visit

DOCUMENTS: Final = ("terms", "privacy", "returns", "contact", "imprint")
FOLDER: Final = "pages"
"""The folder of the operator's own files, in the data folder; each replaces the built-in file of its name."""
_SIZE_LIMIT: Final = 200_000
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})


class DocumentView(View):
    """The content of the page of a document."""

    title: str
    body: Markup


async def document(visit: Visit) -> Response:
    """Show a document; a changed file is read again."""
    name = visit.request.url.path.removeprefix("/")
    own = visit.site.settings.data / FOLDER / f"{name}.md"
    changed = own.stat().st_mtime_ns if own.is_file() else 0
    title, body = _read(name, own, changed)
    return await visit.page("document", DocumentView(title, body))


@lru_cache(maxsize=16)
def _read(name: str, own: Path, changed: int) -> tuple[str, Markup]:
    ours = resources.files("nextbuy.web") / "documents" / f"{name}.md"
    text = (own.read_text(encoding="utf-8") if changed else ours.read_text(encoding="utf-8"))[:_SIZE_LIMIT]
    heading = text.lstrip().partition("\n")[0]
    title = heading.removeprefix("# ") if heading.startswith("# ") else name.capitalize()
    # Markdown without HTML: what it renders is safe markup.
    return title, Markup(_MARKDOWN.render(text))  # noqa: S704
