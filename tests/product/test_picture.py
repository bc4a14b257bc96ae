"""Generated pictures are small, stable, distinct, and safe for any title."""

import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextbuy.demo.catalogue import load
from nextbuy.product.picture import MAX_TITLE, draw

CATEGORIES = ("ceramics", "cycling", "books", "garden", "kitchen", "electronics", "home", "")
SVG = "{http://www.w3.org/2000/svg}"
ANY_TEXT = st.text(st.characters())  # with controls and lone surrogates


def parsed(picture: bytes) -> ET.Element:
    """Return the root of a picture."""
    return ET.fromstring(picture)  # noqa: S314 - drawn by us


def named(picture: bytes) -> str:
    """Return the accessible name of a picture, which equals its title element."""
    root = parsed(picture)
    name = root.attrib["aria-label"]
    assert root.findtext(f"{SVG}title") == name
    return name


def test_same_product_gets_same_picture() -> None:
    assert draw("0198c0de", "Speckled mug", "ceramics") == draw("0198c0de", "Speckled mug", "ceramics")


def test_products_with_equal_titles_get_different_pictures() -> None:
    assert draw("1", "Speckled mug", "ceramics") != draw("2", "Speckled mug", "ceramics")


@pytest.mark.parametrize("category", CATEGORIES)
def test_products_of_one_category_look_different(category: str) -> None:
    """Compared without ids, which are invisible."""
    seen = {re.sub(rb'id="\w+"|url\(#\w+\)', b"", draw(str(number), "Some product", category)) for number in range(40)}

    assert len(seen) == 40


def test_each_category_has_its_own_palette() -> None:
    colours = [
        {colour for number in range(40) for colour in re.findall(rb"#[0-9a-f]{6}", draw(str(number), "It", category))}
        for category in CATEGORIES[:-1]
    ]

    for first, one in enumerate(colours):
        for other in colours[first + 1 :]:
            assert len(one & other) <= 2  # paper and pollen


def test_word_of_title_selects_drawing() -> None:
    """A mug always has steam above it, and a vase never."""
    for number in range(20):
        assert b"q-12-17" in draw(str(number), "A blue Mug", "ceramics")
        assert b"q-12-17" not in draw(str(number), "A blue vase", "ceramics")


def test_category_ignores_case_and_unknown_one_gets_a_parcel() -> None:
    assert b"#fff8ea" in draw("1", "Thing", "Books")  # its pages
    assert b"c76 0 60-60 0 0Z" in draw("1", "Thing", "unknown")


@given(product_id=ANY_TEXT, title=ANY_TEXT, category=st.sampled_from(CATEGORIES) | ANY_TEXT)
@example(product_id="\ud800", title="\x00\udfff\ufffe\uffff\x1b", category="\x7f")
@example(product_id="1", title='"' * 500, category="garden")
@example(product_id="1", title="\U0001f3fa" * 500, category="garden")
def test_any_title_gives_a_small_well_formed_picture(product_id: str, title: str, category: str) -> None:
    picture = draw(product_id, title, category)

    assert len(picture) < 4096
    assert 1 <= len(named(picture)) <= MAX_TITLE


@pytest.mark.parametrize("category", CATEGORIES)
def test_no_hash_makes_picture_too_large(category: str) -> None:
    sizes = [len(draw(str(number), '"' * 500, category)) for number in range(1_000)]

    assert max(sizes) < 4096


def test_title_is_escaped() -> None:
    title = """Cup "A" & <b>'s</b> ]]> </title><script>alert(1)</script>"""
    picture = draw("1", title, "kitchen")

    assert named(picture) == title
    assert b"<script" not in picture


def test_controls_and_lone_surrogates_are_removed_from_title() -> None:
    assert named(draw("1", "Blue\x00 \tmug\n\ud83d \x1b[0m\ufffe", "ceramics")) == "Blue mug [0m"


def test_long_title_is_shortened_but_still_changes_the_picture() -> None:
    picture = draw("1", "long " * 100, "books")

    assert named(picture).endswith("…")
    assert picture != draw("1", "long " * 101, "books")


def test_title_of_removed_characters_is_named_product() -> None:
    assert named(draw("1", "\x00\ud800 ", "books")) == "Product"


def test_picture_loads_and_runs_nothing() -> None:
    allowed = {"svg", "title", "linearGradient", "stop", "clipPath", "g", "path", "ellipse", "circle"}
    for product in load().products:
        picture = draw(product.title, product.title, product.category)
        root = parsed(picture)
        ids = {element.attrib["id"] for element in root.iter() if "id" in element.attrib}

        assert {element.tag.removeprefix(SVG) for element in root.iter()} <= allowed
        assert not [key for element in root.iter() for key in element.attrib if "href" in key or key.startswith("on")]
        assert {url.decode() for url in re.findall(rb"url\(([^)]*)\)", picture)} == {f"#{name}" for name in ids}
        assert picture.count(b"://") == 1  # the namespace


def test_pictures_on_one_page_share_no_id() -> None:
    ids = [
        name
        for product in load().products
        for name in re.findall(rb' id="(\w+)"', draw(product.title, product.title, product.category))
    ]

    assert len(ids) == len(set(ids))
