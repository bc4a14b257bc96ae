"""Pages that a script draws."""

from typing import Final

from starlette.responses import Response

from nextbuy.web.visit import View, Visit

MODULES: Final = {
    "/sell": "sell",
    "/figures": "figures",
}
"""The module under `static/pages/` that draws each page, by path."""


class ScriptView(View):
    """The module of a page, and the modules that it needs."""

    module: str
    imports: tuple[str, ...]


async def script_page(visit: Visit) -> Response:
    """Show a page that its module fills."""
    await visit.require_account()
    name = f"pages/{MODULES[visit.request.url.path]}.js"
    return await visit.page("script", ScriptView(name, visit.site.assets[name].imports))
