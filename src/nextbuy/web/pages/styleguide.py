"""`/styleguide`: the design tokens, and an example of each component, in the demo market only."""

from typing import Final

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import NotFound
from nextbuy.contracts.product import PublicProduct
from nextbuy.web.api import secondary
from nextbuy.web.design_tokens import Contrast, Token, contrasts
from nextbuy.web.pages.samples import Samples
from nextbuy.web.site import Component
from nextbuy.web.visit import View, Visit

_KINDS: Final = ("text-", "space-")


class StyleguideView(View):
    """The content of the style guide."""

    texts: list[Token]
    spaces: list[Token]
    colours: list[Token]
    shapes: list[Token]
    contrasts: list[Contrast]
    components: list[Component]
    samples: Samples


class _Listed(Struct):
    items: list[PublicProduct]


async def styleguide(visit: Visit) -> Response:
    """Show the tokens and the components.

    Raises:
        NotFound: this is not the demo market.
    """
    if not visit.site.demo:
        raise NotFound
    listed = await secondary(visit.api.get("/product/api/get-all-products", _Listed, limit=1))
    picture = listed.items[0].picture if listed and listed.items else visit.site.assets["icon.svg"].path
    tokens = visit.site.tokens
    texts, spaces = ([token for token in tokens if token.name.startswith(kind)] for kind in _KINDS)
    colours = [token for token in tokens if token.light.startswith("#")]
    shapes = [token for token in tokens if token not in texts + spaces + colours]
    view = StyleguideView(
        texts, spaces, colours, shapes, contrasts(colours), visit.site.components(), Samples(picture or "")
    )
    return await visit.page("styleguide", view)
