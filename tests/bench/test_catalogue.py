from itertools import islice

from bench.catalogue import goods, id_of, queries
from bench.scratch import script
from bench.words import GOODS
from nextbuy.product.moderation import review


def test_goods_are_reproducible_and_distinct() -> None:
    first, again = list(goods(2_000)), list(goods(2_000))
    assert first == again
    assert len({good.id for good in first}) == len({good.slug for good in first}) == 2_000
    assert {good.category for good in first} == set(GOODS)


def test_number_gives_id_of_product() -> None:
    assert [good.id for good in islice(goods(), 5)] == [id_of(number) for number in range(5)]
    assert id_of(9_999).version == 7


def test_moderation_accepts_all_goods() -> None:
    for good in goods(500):
        assert review(good.title, good.description, good.category, good.tags).decision == "active", good


def test_queries_are_distinct() -> None:
    found = queries()
    assert len(set(found)) == len(found) == 200


def test_script_of_checkout_is_complete() -> None:
    made = script()
    assert made.count("COMMIT;") == made.count("BEGIN;") == 4
    assert ":sid::uuid" in made
    assert "{a}" not in made
    assert "{{" not in made
