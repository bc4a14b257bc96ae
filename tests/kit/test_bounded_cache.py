"""A cache bounded in number and in bytes."""

from nextbuy.kit.bounded_cache import BoundedCache


def new_cache(*, max_values: int = 10, max_bytes: int = 100) -> BoundedCache[str, int]:
    return BoundedCache(max_values=max_values, max_bytes=max_bytes)


def test_oldest_value_is_evicted_for_a_further_one() -> None:
    cache = new_cache(max_values=2)
    for number, key in enumerate("abc"):
        cache.insert(key, number, 1)

    assert [cache.get(key) for key in "abc"] == [None, 1, 2]
    assert cache.size == 2


def test_oldest_values_are_evicted_for_the_bytes_of_a_new_one() -> None:
    cache = new_cache()
    for number, key in enumerate("abc"):
        cache.insert(key, number, 40)

    cache.insert("d", 3, 60)

    assert [cache.get(key) for key in "abcd"] == [None, None, 2, 3]
    assert cache.size == 100


def test_value_that_is_inserted_again_is_the_newest_and_counts_once() -> None:
    cache = new_cache(max_values=2)
    cache.insert("a", 0, 10)
    cache.insert("b", 1, 10)

    cache.insert("a", 2, 30)
    cache.insert("c", 3, 10)

    assert [cache.get(key) for key in "abc"] == [2, None, 3]
    assert cache.size == 40


def test_too_large_value_is_not_stored_and_evicts_no_other() -> None:
    cache = new_cache()
    cache.insert("a", 0, 10)
    cache.insert("b", 1, 10)

    cache.insert("b", 2, 101)

    assert [cache.get(key) for key in "ab"] == [0, None]
    assert cache.size == 10


def test_unknown_key_is_removed_without_effect() -> None:
    cache = new_cache()
    cache.insert("a", 0, 10)

    cache.remove("b")

    assert cache.size == 10
