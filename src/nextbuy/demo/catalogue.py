"""Reads `catalogue.toml`, the demo market, and refuses it whole when anything in it is wrong.

A mistake is named with its place, so that whoever edits the file finds it without reading this one.
"""

import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from nextbuy.contracts.values import Category, Email, PositiveAmount, Role, ShortText, Stock, Tag

PASSWORD: Final = "demo-market-2026"  # noqa: S105 - the public password of accounts that hold nothing
"""The one password of every demo account."""

ProductTitle = Annotated[str, Meta(min_length=6, max_length=200)]
Description = Annotated[str, Meta(min_length=21, max_length=2_000)]
Tags = Annotated[tuple[Tag, ...], Meta(min_length=2, max_length=5)]


class DemoAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """Someone who can log in with `PASSWORD`."""

    role: Role
    name: ShortText
    email: Email


class DemoProduct(Struct, frozen=True, forbid_unknown_fields=True):
    """Something a shop sells; `awaits_review` says that moderation is meant to hold it for a person."""

    title: ProductTitle
    description: Description
    tags: Tags
    price_cents: PositiveAmount
    stock: Stock
    category: Category = ""
    """Never empty once loaded: what the file leaves out is the category of the shop."""
    awaits_review: bool = False


class DemoShop(Struct, frozen=True, forbid_unknown_fields=True):
    """A shop with its goods; `seller` is the email address of the account that owns it."""

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
        """The goods of every shop, in the order of the file."""
        return tuple(product for shop in self.shops for product in shop.products)


def load() -> DemoCatalogue:
    """Return the demo market that comes with this package.

    Raises:
        ValueError: where the file is wrong, with the place and the reason.
    """
    return read(resources.files(__package__).joinpath("catalogue.toml").read_text(encoding="utf-8"))


def read(text: str) -> DemoCatalogue:
    """Return the demo market written in `text`, which is TOML.

    Raises:
        ValueError: where the text is wrong, with the place and the reason.
    """
    try:
        written = msgspec.convert(_one_spaced(tomllib.loads(text)), DemoCatalogue)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        message = f"demo catalogue: {wrong}"
        raise ValueError(message) from wrong
    problem = next(_problems(written), None)
    if problem:
        message = f"demo catalogue: {problem}"
        raise ValueError(message)
    shops = tuple(_with_categories(shop) for shop in written.shops)
    return msgspec.structs.replace(written, shops=shops)


def _one_spaced(value: object) -> object:
    """Return the same tree with each run of white space in its texts as one space: lines may be broken anywhere."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_one_spaced(item) for item in value]
    if isinstance(value, dict):
        return {key: _one_spaced(item) for key, item in value.items()}
    return value


def _with_categories(shop: DemoShop) -> DemoShop:
    """Return the shop with its own category on each product that names none."""
    products = tuple(
        product if product.category else msgspec.structs.replace(product, category=shop.category)
        for product in shop.products
    )
    return msgspec.structs.replace(shop, products=products)


def _problems(catalogue: DemoCatalogue) -> Iterator[str]:
    """Say what is wrong between the entries, where each alone is well formed."""
    for email in _repeated(account.email for account in catalogue.accounts):
        yield f"two accounts have the email address {email!r}"
    for name in _repeated(shop.name for shop in catalogue.shops):
        yield f"two shops are named {name!r}"
    for title in _repeated(product.title for product in catalogue.products):
        yield f"two products are titled {title!r}"
    for product in catalogue.products:
        for tag in _repeated(product.tags):
            yield f"the product {product.title!r} has the tag {tag!r} twice"
    yield from _problems_of_ownership(catalogue)


def _problems_of_ownership(catalogue: DemoCatalogue) -> Iterator[str]:
    """Say which roles nobody has, and where a shop and its seller do not belong to each other alone."""
    roles = {account.email: account.role for account in catalogue.accounts}
    owners = [shop.seller for shop in catalogue.shops]
    for role in Role:
        if role not in roles.values():
            yield f"no account has the role {role.value!r}"
    for shop in catalogue.shops:
        if roles.get(shop.seller) is not Role.SELLER:
            yield f"the seller of {shop.name!r}, {shop.seller!r}, is no account with the role 'seller'"
    for seller in _repeated(owners):
        yield f"the seller {seller!r} has two shops"
    for email, role in roles.items():
        if role is Role.SELLER and email not in owners:
            yield f"the seller {email!r} has no shop"


def _repeated(texts: Iterable[str]) -> Iterator[str]:
    """Give each text that was there before, capital letters aside."""
    seen: set[str] = set()
    for text in texts:
        if text.casefold() in seen:
            yield text
        seen.add(text.casefold())
