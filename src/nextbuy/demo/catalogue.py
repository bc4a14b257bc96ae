"""The demo market in `catalogue.toml`, read and validated; an error names the entry and what is wrong."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from nextbuy.contracts.values import Category, Email, PositiveAmount, Role, ShortText, Stock, Tag

PASSWORD: Final = "demo-market-2026"  # noqa: S105 - the public password of accounts that hold nothing
"""The password of every demo account."""

ProductTitle = Annotated[str, Meta(min_length=6, max_length=200)]
Description = Annotated[str, Meta(min_length=21, max_length=2_000)]
Tags = Annotated[tuple[Tag, ...], Meta(min_length=2, max_length=5)]


class DemoAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """An account with the password `PASSWORD`."""

    role: Role
    name: ShortText
    email: Email


class DemoProduct(Struct, frozen=True, forbid_unknown_fields=True):
    """A product; `awaits_review` is true if moderation is expected to leave it to an admin."""

    title: ProductTitle
    description: Description
    tags: Tags
    price_cents: PositiveAmount
    stock: Stock
    category: Category = ""
    """The shop's category if the file has none."""
    awaits_review: bool = False


class DemoShop(Struct, frozen=True, forbid_unknown_fields=True):
    """A shop with its products; `seller` is the e-mail address of its owner."""

    name: ShortText
    bio: Description
    category: Category
    seller: Email
    status: Literal["approved", "pending"]
    products: Annotated[tuple[DemoProduct, ...], Meta(min_length=1)]


class DemoCatalogue(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole demo market."""

    currency: Literal["USD"]
    accounts: tuple[DemoAccount, ...]
    shops: Annotated[tuple[DemoShop, ...], Meta(min_length=1)]

    @property
    def products(self) -> tuple[DemoProduct, ...]:
        """The products of all shops, in the order of the file."""
        return tuple(product for shop in self.shops for product in shop.products)


def load() -> DemoCatalogue:
    """Return the demo market of this package.

    Raises:
        ValueError: the file is invalid; the message names the entry and the reason.
    """
    return read(resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))


def read(text: str) -> DemoCatalogue:
    """Parse and validate a demo market in TOML.

    Raises:
        ValueError: the text is invalid; the message names the entry and the reason.
    """
    try:
        catalogue = msgspec.convert(_normalize_spaces(tomllib.loads(text)), DemoCatalogue)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"demo catalogue: {error}") from error
    problem = next(_problems(catalogue), None)
    if problem:
        raise ValueError(f"demo catalogue: {problem}")
    shops = tuple(_with_categories(shop) for shop in catalogue.shops)
    return msgspec.structs.replace(catalogue, shops=shops)


def _normalize_spaces(value: object) -> object:
    """Return the tree with each run of white space in its texts as one space, so that lines may break anywhere."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_normalize_spaces(item) for item in value]
    if isinstance(value, dict):
        return {key: _normalize_spaces(item) for key, item in value.items()}
    return value


def _with_categories(shop: DemoShop) -> DemoShop:
    """Return the shop with its category on each product that has none."""
    products = tuple(
        product if product.category else msgspec.structs.replace(product, category=shop.category)
        for product in shop.products
    )
    return msgspec.structs.replace(shop, products=products)


def _problems(catalogue: DemoCatalogue) -> Iterator[str]:
    for email in _repeated(account.email for account in catalogue.accounts):
        yield f"two accounts have the e-mail address {email!r}"
    for name in _repeated(shop.name for shop in catalogue.shops):
        yield f"two shops are named {name!r}"
    for title in _repeated(product.title for product in catalogue.products):
        yield f"two products are titled {title!r}"
    for product in catalogue.products:
        for tag in _repeated(product.tags):
            yield f"the product {product.title!r} has the tag {tag!r} twice"
    yield from _ownership_problems(catalogue)


def _ownership_problems(catalogue: DemoCatalogue) -> Iterator[str]:
    """Yield the roles without an account, and the shops and sellers that do not match one to one."""
    roles = {account.email: account.role for account in catalogue.accounts}
    owners = [shop.seller for shop in catalogue.shops]
    for role in Role:
        if role not in roles.values():
            yield f"no account has the role {role.value!r}"
    for shop in catalogue.shops:
        if roles.get(shop.seller) is not Role.SELLER:
            yield f"the seller of {shop.name!r}, {shop.seller!r}, is not an account with the role 'seller'"
    for seller in _repeated(owners):
        yield f"the seller {seller!r} has two shops"
    for email, role in roles.items():
        if role is Role.SELLER and email not in owners:
            yield f"the seller {email!r} has no shop"


def _repeated(values: Iterable[str]) -> Iterator[str]:
    """Yield each value that repeats an earlier one, ignoring case."""
    seen: set[str] = set()
    for value in values:
        if value.casefold() in seen:
            yield value
        seen.add(value.casefold())
