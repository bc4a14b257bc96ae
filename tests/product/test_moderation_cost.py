"""The cost of moderation: next to nothing for a title, and in proportion to the length for a text made to be slow."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest

from nextbuy.product.lexicon import default_lexicon
from nextbuy.product.moderation import review

pytestmark = pytest.mark.no_cover
TITLE: Final = 200
TEXT: Final = 10_000
HOSTILE: Final = {
    "one word": "a",
    "single letters": "a ",
    "single digits": "1 l ",
    "dashes": "a-",
    "short chunks": "a-b ",
    "long chunk": "x-" * 29 + "x ",
    "signs": "!",
    "invisible": "\u200b",
    "marks": "\u0301\u0316",
    "another alphabet": "\u0430",
    "full width": "\uff47\uff55\uff4e ",
    "letters without blanks": "\u6f22",
    "long normal forms": "\ufdfa",
    "repeated letters": "aaaaaaab ",
    "banned words": "gun ",
    "spelled-out words": "c o c a i n e ",
    "disguised words": "vi@gra ",
    "beginnings of phrases": "knife and ",
    "pairs": "fake rolex ",
    "softened words": "book gun ",
}


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time of the fastest of several runs."""
    times = []
    for _ in range(5):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def filled(pattern: str, length: int) -> str:
    return (pattern * (length // len(pattern) + 1))[:length]


@pytest.mark.parametrize("title", ["Speckled stoneware mug, 350 ml", filled("Hunting rifle, glue gun, r1fle, ", TITLE)])
def test_title_takes_less_than_a_millisecond(title: str) -> None:
    assert seconds_of(lambda: review(title, "", "ceramics", [])) < 0.001


def test_words_are_compiled_once() -> None:
    assert default_lexicon() is default_lexicon()


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
def test_time_grows_with_length_only(pattern: str) -> None:
    half, whole = (seconds_of(partial(review, "Mug", filled(pattern, length), "c", [])) for length in (TEXT // 2, TEXT))

    assert whole < 3 * half + 0.01
    assert whole < 0.5
