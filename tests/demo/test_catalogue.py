"""The demo market has what pages and journeys rely on, and an invalid edit is refused with the reason."""

import re
from collections import Counter
from collections.abc import Callable

import pytest

from nextbuy.contracts.values import Role
from nextbuy.demo.catalogue import PASSWORD, DemoCatalogue, load, read

BANNED = frozenset(
    re.findall(
        r"\w+",
        "weapon weapons gun guns knife knives drug drugs cocaine heroin marijuana counterfeit fake replica adult porn "
        "pornography xxx wildlife ivory endangered illegal stolen hacked",
    )
)
SENSITIVE = frozenset(
    {"cosmetics", "health supplements", "pharmaceuticals", "food", "luxury goods", "electronics", "jewelry"}
)

SMALL = """
currency = "USD"
accounts = [
  { role = "buyer", name = "Maya", email = "maya@demo.nextbuy.test" },
  { role = "admin", name = "Noor", email = "admin@demo.nextbuy.test" },
  { role = "seller", name = "Ines", email = "ines@demo.nextbuy.test" },
]

[[shops]]
name = "Potter's corner"
bio = "Stoneware that is made to be used every day."
category = "ceramics"
seller = "ines@demo.nextbuy.test"
status = "approved"

[[shops.products]]
title = "Blue bowl"
description = '''
A deep blue bowl
for soup and noodles.'''
tags = ["bowl", "blue"]
price_cents = 2_800
stock = 4

[[shops.products]]
title = "Green lamp"
description = "A lamp with a green glazed foot."
category = "electronics"
tags = ["lamp", "green"]
price_cents = 6_000
stock = 1
awaits_review = true
"""


@pytest.fixture(scope="module")
def market() -> DemoCatalogue:
    """The demo market of the package."""
    return load()


def words(*texts: str) -> set[str]:
    """Return the words of the texts in lower case."""
    return set(re.findall(r"\w+", " ".join(texts).casefold()))


def test_five_shops_of_different_categories_are_approved_and_one_is_pending(market: DemoCatalogue) -> None:
    open_shops = [shop for shop in market.shops if shop.status == "approved"]
    (waiting,) = (shop for shop in market.shops if shop.status == "pending")

    assert len({shop.category for shop in open_shops}) == len(open_shops) == 5
    assert all(len(shop.products) >= 14 for shop in open_shops)
    assert len(waiting.products) == 2


def test_products_fill_several_pages(market: DemoCatalogue) -> None:
    for_sale = [
        product
        for shop in market.shops
        if shop.status == "approved"
        for product in shop.products
        if not product.awaits_review
    ]

    assert len(for_sale) >= 72


def test_titles_and_descriptions_are_unique(market: DemoCatalogue) -> None:
    titles = Counter(product.title.casefold() for product in market.products)
    descriptions = Counter(product.description.casefold() for product in market.products)

    assert max(titles.values()) == max(descriptions.values()) == 1


def test_no_text_has_a_banned_word(market: DemoCatalogue) -> None:
    for shop in market.shops:
        assert not words(shop.name, shop.bio, shop.category) & BANNED
    for product in market.products:
        assert not words(product.title, product.description, product.category, *product.tags) & BANNED, product.title


def test_only_products_that_await_review_are_in_a_sensitive_category(market: DemoCatalogue) -> None:
    sensitive = [product for product in market.products if product.category.casefold() in SENSITIVE]

    assert sensitive == [product for product in market.products if product.awaits_review]
    assert [product.category for product in sensitive] == ["electronics"]


def test_product_that_awaits_review_is_of_an_approved_shop(market: DemoCatalogue) -> None:
    (shop,) = (shop for shop in market.shops if any(product.awaits_review for product in shop.products))

    assert shop.status == "approved"


def test_descriptions_have_two_to_four_sentences_on_one_line(market: DemoCatalogue) -> None:
    for product in market.products:
        sentences = re.split(r"[.!?]\s+", product.description)
        assert 2 <= len(sentences) <= 4, product.title
        assert "\n" not in product.description
        assert product.description == product.description.strip()


def test_titles_and_descriptions_are_long_enough_for_a_full_score(market: DemoCatalogue) -> None:
    assert all(len(product.title) > 5 and len(product.description) > 20 for product in market.products)


def test_tags_are_few_and_in_lower_case(market: DemoCatalogue) -> None:
    for product in market.products:
        assert 2 <= len(set(product.tags)) == len(product.tags) <= 5
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", tag) for tag in product.tags), product.title


def test_some_products_have_low_stock_and_one_or_two_are_sold_out(market: DemoCatalogue) -> None:
    stocks = [product.stock for product in market.products]

    assert stocks.count(0) in {1, 2}
    assert 3 <= sum(1 <= stock <= 3 for stock in stocks) <= 8


def test_accounts_are_one_buyer_one_admin_and_a_seller_per_shop(market: DemoCatalogue) -> None:
    emails = {role: {account.email for account in market.accounts if account.role is role} for role in Role}

    assert emails[Role.BUYER] == {"maya@demo.nextbuy.test"}
    assert emails[Role.ADMIN] == {"admin@demo.nextbuy.test"}
    assert emails[Role.SELLER] == {shop.seller for shop in market.shops}
    assert len(market.accounts) == 2 + len(market.shops)
    assert PASSWORD == "demo-market-2026"


def test_product_without_a_category_has_that_of_its_shop(market: DemoCatalogue) -> None:
    bowl, lamp = read(SMALL).products

    assert bowl.category == "ceramics"
    assert lamp.category == "electronics"
    assert all(product.category for product in market.products)


def test_line_break_in_a_text_is_a_space() -> None:
    assert read(SMALL).products[0].description == "A deep blue bowl for soup and noodles."


def edit(old: str, new: str) -> Callable[[], str]:
    """Return a function that replaces `old`, which must exist, by `new` in the small market."""

    def edited() -> str:
        assert old in SMALL
        return SMALL.replace(old, new)

    return edited


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (edit('"Green lamp"', '"BLUE bowl"'), "two products are titled 'BLUE bowl'"),
        (edit("2_800", "0"), "price_cents"),
        (edit("2_800", "-5"), "price_cents"),
        (edit("2_800", "28.5"), "Expected `int`"),
        (edit("stock = 4", "stock = -1"), "stock"),
        (edit("stock = 4", ""), "missing required field `stock`"),
        (edit('"Blue bowl"', '"  Bowl  "'), "length >= 6"),
        (edit('["bowl", "blue"]', '["bowl"]'), "tags"),
        (edit('["bowl", "blue"]', '["bowl", "Bowl"]'), "has the tag 'Bowl' twice"),
        (edit("awaits_review", "await_review"), "unknown field `await_review`"),
        (edit('"approved"', '"open"'), "'open'"),
        (edit('"USD"', '"EUR"'), "'EUR'"),
        (edit('"admin"', '"owner"'), "'owner'"),
        (edit('"admin"', '"buyer"'), "no account has the role 'admin'"),
        (edit("admin@", "maya@"), "two accounts have the e-mail address 'maya@demo.nextbuy.test'"),
        (
            edit('seller = "ines@', 'seller = "maya@'),
            "'maya@demo.nextbuy.test', is not an account with the role 'seller'",
        ),
        (edit('"buyer"', '"seller"'), "no account has the role 'buyer'"),
        (edit("currency =", "currency"), "line 2"),
    ],
)
def test_invalid_file_is_refused_with_the_reason(text: Callable[[], str], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^demo catalogue: .*{reason}"):
        read(text())


def test_each_seller_has_exactly_one_shop() -> None:
    second = SMALL[SMALL.index("[[shops]]") :]
    for old, new in (("Potter's", "Weaver's"), ("Blue bowl", "Red scarf"), ("Green lamp", "White lamp")):
        second = second.replace(old, new)
    idle = '{ role = "seller", name = "Luca", email = "luca@demo.nextbuy.test" },'

    with pytest.raises(ValueError, match=r"'ines@demo\.nextbuy\.test' has two shops"):
        read(SMALL + second)
    with pytest.raises(ValueError, match=r"'luca@demo\.nextbuy\.test' has no shop"):
        read(SMALL.replace("accounts = [", f"accounts = [{idle}"))
