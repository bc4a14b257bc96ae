"""A store bounded in number and in bytes."""

from nextbuy.kit.bounded_store import BoundedStore


def new_store(*, max_values: int = 10, max_bytes: int = 100) -> BoundedStore[str, int]:
    return BoundedStore(max_values=max_values, max_bytes=max_bytes)


def test_oldest_value_is_evicted_for_a_further_one() -> None:
    store = new_store(max_values=2)
    for number, key in enumerate("abc"):
        store.insert(key, number, 1)

    assert [store.get(key) for key in "abc"] == [None, 1, 2]
    assert store.size == 2


def test_oldest_values_are_evicted_for_the_bytes_of_a_new_one() -> None:
    store = new_store()
    for number, key in enumerate("abc"):
        store.insert(key, number, 40)

    store.insert("d", 3, 60)

    assert [store.get(key) for key in "abcd"] == [None, None, 2, 3]
    assert store.size == 100


def test_value_that_is_inserted_again_is_the_newest_and_counts_once() -> None:
    store = new_store(max_values=2)
    store.insert("a", 0, 10)
    store.insert("b", 1, 10)

    store.insert("a", 2, 30)
    store.insert("c", 3, 10)

    assert [store.get(key) for key in "abc"] == [2, None, 3]
    assert store.size == 40


def test_too_large_value_is_not_stored_and_evicts_no_other() -> None:
    store = new_store()
    store.insert("a", 0, 10)
    store.insert("b", 1, 10)

    store.insert("b", 2, 101)

    assert [store.get(key) for key in "ab"] == [0, None]
    assert store.size == 10


def test_unknown_key_is_evicted_without_effect() -> None:
    store = new_store()
    store.insert("a", 0, 10)

    store.evict("b")

    assert store.size == 10
