"""The version of a product, which its ETag names."""

import re
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from nextbuy.contracts.values import MAX_INTEGER

MAX_VERSIONS: Final = 20
"""The highest number of versions in a decision."""
ProductEtag = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=r'^"[0-9]+\.[0-9]+"\Z',
        extra={"invalid": "Not an ETag of a product. Send one that this API returned."},
        description="The ETag of get-product, for If-Match.",
        examples=['"3.1005"'],
    ),
]
_ETAG: Final = re.compile(r'"([1-9][0-9]{0,14})\.([0-9]{1,15})"')


class ProductVersion(Struct, frozen=True):
    """A version of a product: of its content, which counts from 1, and of its stock."""

    content: Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
    stock: Annotated[int, Meta(ge=0, le=MAX_INTEGER)]

    @property
    def etag(self) -> str:
        """The version as an entity tag (RFC 9110, 8.8.3)."""
        return f'"{self.content}.{self.stock}"'


def versions_of(etags: Iterable[str] | None) -> list[ProductVersion] | None:
    """Return the versions that entity tags name, without tags of another form; None stays None."""
    if etags is None:
        return None
    return [ProductVersion(int(found[1]), int(found[2])) for etag in etags if (found := _ETAG.fullmatch(etag))]
