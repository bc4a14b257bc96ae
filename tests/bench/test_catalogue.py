from itertools import islice

from bench.catalogue import goods, id_of, queries
from bench.scratch import script
from bench.words import GOODS
from nextbuy.product.moderation import review


def test_the_goods_are_the_same_each_time_and_no_two_are_one() -> None:
    first, again = list(goods(2_000)), list(goods(2_000))
    assert first == again
    assert len({good.id for good in first}) == len({good.slug for good in first}) == 2_000
    assert {good.category for good in first} == set(GOODS)


def test_a_product_is_found_by_its_number() -> None:
    assert [good.id for good in islice(goods(), 5)] == [id_of(number) for number in range(5)]
    assert id_of(9_999).version == 7


def test_moderation_would_let_all_goods_through() -> None:
    for good in goods(500):
        assert review(good.title, good.description, good.category, good.tags).decision == "active", good


def test_people_search_for_two_hundred_different_things() -> None:
    found = queries()
    assert len(set(found)) == len(found) == 200


def test_the_script_of_a_checkout_has_no_hole_left() -> None:
    made = script()
    assert made.count("COMMIT;") == made.count("BEGIN;") == 4
    assert ":sid::uuid" in made
    assert "{a}" not in made
    assert "{{" not in made
