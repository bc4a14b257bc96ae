"""Automatic moderation: banned words in any spelling, scores, decisions, and reasons."""

import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.product import Finding, Moderation
from nextbuy.product import moderation
from nextbuy.product.moderation import DEFAULT_POLICY, Listing, Policy, review, review_update

MUG = Listing("Burgundy mug", "Thrown by hand, glazed in burgundy.", "ceramics", ("mug",), 2_000)


def judged(
    title: str = MUG.title,
    description: str = MUG.description,
    category: str = MUG.category,
    tags: tuple[str, ...] = (),
    policy: Policy = DEFAULT_POLICY,
) -> Moderation:
    return review(title, description, category, tags, policy=policy)


def judged_with(field: str, text: str) -> Moderation:
    texts = {"title": MUG.title, "description": MUG.description, "category": MUG.category, field: text}
    return judged(texts["title"], texts["description"], texts["category"], (text,) if field == "tags" else ())


def in_full_width(word: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in word)


def rules(verdict: Moderation) -> list[tuple[str, int, str]]:
    return [(reason.rule, reason.points, reason.field) for reason in verdict.reasons]


def test_harmless_product_is_active_with_full_score() -> None:
    assert judged() == Moderation(100, "active", [])


@pytest.mark.parametrize("word", sorted(DEFAULT_POLICY.banned))
@pytest.mark.parametrize("field", ["title", "description", "category"])
def test_banned_word_in_any_field_rejects_product(word: str, field: str) -> None:
    verdict = judged_with(field, f"A {word} for everyone")
    assert verdict == Moderation(20, "rejected", [Finding("banned-word", -80, field, f"A {word} for everyone")])


@pytest.mark.parametrize(
    "word",
    [
        "GUN",
        "Gun",
        "\uff27\uff55\uff4e",
        "\uff27\uff35\uff2e",
        "\U0001d420\U0001d42e\U0001d427",
        "ⓖⓤⓝ",
        "gun-shaped",
        "toy_gun",
        "#gun",
        "gun.",
        "(gun)",
        "gun's",
        "gun/rifle",
    ],
)
def test_banned_word_is_found_in_any_spelling(word: str) -> None:
    assert judged(title=f"Lovely {word} here").decision == "rejected"


@pytest.mark.parametrize(
    "hidden",
    [
        "g\u200bun",
        "\u2060gun\ufeff",
        "gu\u00adn",
        "g\u200d\u200cu\u180en",
        "gun\ufe0f",
        "g\u034fun",
        "g\x08un",
        "\u202egun\u202c",
    ],
)
def test_invisible_characters_do_not_hide_banned_word(hidden: str) -> None:
    verdict = judged(title=f"Lovely {hidden} here")
    assert [reason.excerpt for reason in verdict.reasons] == ["Lovely gun here"]


@pytest.mark.parametrize("blank", ["\u00a0", "\u3000", "\u3164", "\u1160", "\uffa0", "\u2800", "\u2028", "\n", "\t"])
def test_banned_word_ends_at_any_blank(blank: str) -> None:
    assert judged(title=f"Lovely{blank}gun{blank}here").decision == "rejected"


@pytest.mark.parametrize(
    "word",
    ["burgundy", "Gunnar", "drugstore", "replicate", "penknifes", "gunmetal", "adulthood", "gun2", "2gun"],
)
def test_longer_word_containing_banned_word_passes(word: str) -> None:
    assert judged(title=f"Lovely {word} here").decision == "active"


@pytest.mark.parametrize("word", ["gún", "gu\u0301n", "gun\u0308", "g\u0324un", "x\u0331gun"])
def test_accent_makes_a_different_word(word: str) -> None:
    assert judged(title=f"Lovely {word} here").decision == "active"


def test_mark_without_letter_hides_nothing() -> None:
    assert judged(title="Lovely \u0331gun here").decision == "rejected"


def test_many_marks_do_not_hide_next_word() -> None:
    verdict = judged(description="a" + "\u0301\u0316" * 4_999 + " gun")
    assert rules(verdict) == [("banned-word", -80, "description")]


@pytest.mark.parametrize(
    ("marks", "kept"), [(30, 30), (31, 30), (60, 30)], ids=["at the limit", "one above", "far above"]
)
def test_marks_in_a_row_are_limited(marks: int, kept: int) -> None:
    sign, mark = "\u2500", "\u0316"

    assert moderation._readable(sign * 40 + mark * marks + sign + mark * 5) == (
        sign * 40 + mark * kept + sign + mark * 5
    )
    assert moderation._readable("a" + mark * 60) == "a" + mark * 30


def test_long_run_of_signs_is_unchanged() -> None:
    assert judged(description="\u2500" * 40 + " gun").reasons[0].excerpt == "\u2500" * 19 + " gun"


def test_plurals_match_only_if_listed() -> None:
    assert judged(title="Two guns here").decision == "rejected"
    assert judged(title="Two replicas here").decision == "active"


def test_vowel_signs_are_part_of_the_word() -> None:
    policy = Policy(frozenset({"हिन्दी"}), frozenset())

    assert judged(title="यह हिन्दी है", policy=policy).decision == "rejected"
    assert judged(title="यह हिन्दु है", policy=policy).decision == "active"


def test_case_folding_follows_unicode() -> None:
    policy = Policy(frozenset({"STRASSE", "ΰ"}), frozenset())

    assert judged(title="Lange Straße", policy=policy).decision == "rejected"
    assert judged(title="Just \u03ab\u0301 here", policy=policy).decision == "rejected"


def test_excerpt_has_twenty_characters_on_either_side() -> None:
    verdict = judged(description="0123456789 abcdefghijklmnopqr gun stuvwxyzabcdefghijk 0123456789")
    assert [reason.excerpt for reason in verdict.reasons] == ["abcdefghijklmnopqr gun stuvwxyzabcdefghijk"]


def test_excerpt_keeps_original_case() -> None:
    assert judged(title=f"My {in_full_width('Lovely')} GUN").reasons[0].excerpt == "My Lovely GUN"


def test_banned_word_counts_once_per_field() -> None:
    verdict = judged("Gun for sale", "A gun, a real gun.", tags=("gun", "toy"))

    assert rules(verdict) == [
        ("banned-word", -80, "title"),
        ("banned-word", -80, "description"),
        ("banned-word", -80, "tags"),
        ("has-tags", 5, "tags"),
    ]
    assert verdict.score == 0


def test_each_banned_word_has_a_reason_at_its_first_match() -> None:
    verdict = judged(description="A stolen knife. " + "Lots and lots of other words. " * 3 + "A knife again.")
    assert [reason.excerpt for reason in verdict.reasons] == [
        "A stolen knife. Lots and lot",
        "A stolen knife. Lots and lots of o",
    ]


def test_repeated_banned_word_adds_no_reason() -> None:
    verdict = judged("gun " * 50, "gun " * 2_500, tags=("gun",) * 20)
    assert len(verdict.reasons) == 4


def test_phrase_does_not_match_across_tags() -> None:
    policy = Policy(frozenset({"rhino horn"}), frozenset())

    assert judged(tags=("rhino", "horn"), policy=policy).decision == "active"
    assert judged(tags=("rhino horn",), policy=policy).decision == "rejected"


@pytest.mark.parametrize("written", ["Rhino Horn", "rhino-horn", "rhino_horn", "rhino   horn"])
def test_banned_phrase_matches_with_any_separator(written: str) -> None:
    policy = Policy(frozenset({"rhino horn", "rhino tusk"}), frozenset())
    verdict = judged(description=f"Fine {written} cup", policy=policy)

    assert verdict.reasons == [Finding("banned-word", -80, "description", f"Fine {written} cup")]
    assert judged(description="A rhino with a horn", policy=policy).decision == "active"


def test_entry_without_words_bans_nothing() -> None:
    assert judged(policy=Policy(frozenset({"", "!!!", "\u200b"}), frozenset({"", " "}))).decision == "active"


@pytest.mark.parametrize(
    "category", ["electronics", "Electronics", " ELECTRONICS ", "Luxury-Goods", "health  supplements"]
)
def test_sensitive_category_is_pending(category: str) -> None:
    assert judged(category=category) == Moderation(
        80, "pending", [Finding("sensitive-category", -20, "category", category.strip())]
    )


def test_sensitive_category_is_pending_at_any_threshold() -> None:
    assert judged(category="food", policy=replace(DEFAULT_POLICY, threshold=0)).decision == "pending"


def test_only_whole_category_name_is_sensitive() -> None:
    assert judged(category="Food storage").decision == "active"
    assert judged(title="Food bowl").decision == "active"


def test_title_of_five_characters_is_incomplete_and_of_six_is_not() -> None:
    assert judged(title="  Mug 5 ") == Moderation(90, "active", [Finding("incomplete-title", -10, "title", "Mug 5")])
    assert judged(title="Mug 56") == Moderation(100, "active", [])


def test_description_of_ten_characters_is_incomplete_and_of_eleven_is_not() -> None:
    assert judged(description="0123456789") == Moderation(
        90, "active", [Finding("incomplete-description", -10, "description", "0123456789")]
    )
    assert judged(description="01234567890") == Moderation(100, "active", [])


def test_invisible_characters_do_not_complete_a_title() -> None:
    assert rules(judged(title="Mug" + "\u200b" * 10)) == [("incomplete-title", -10, "title")]


def test_score_below_threshold_is_pending_and_at_threshold_is_active() -> None:
    assert (judged("Mug", "Short.").score, judged("Mug", "Short.").decision) == (80, "pending")
    assert (judged("Mug").score, judged("Mug").decision) == (90, "active")


def test_tags_add_points_up_to_full_score() -> None:
    assert judged(tags=("mug", "red")) == Moderation(100, "active", [Finding("has-tags", 5, "tags", "mug")])
    assert judged("Mug", "Short.", tags=("mug",)).score == 85
    assert judged(tags=(" ", "\u200b")).reasons == []


def test_irrelevant_change_is_not_reviewed() -> None:
    assert review_update(MUG, MUG) is None
    assert review_update(MUG, replace(MUG, price_amount=2_400)) is None
    assert review_update(MUG, replace(MUG, price_amount=1_600)) is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(MUG, title="A gun at last"),
        replace(MUG, description="Really a gun."),
        replace(MUG, category="guns"),
        replace(MUG, tags=("mug", "gun")),
    ],
)
def test_banned_word_in_a_change_rejects_product(changed: Listing) -> None:
    verdict = review_update(MUG, changed)

    assert verdict is not None
    assert verdict.decision == "rejected"


def test_corrected_product_is_reviewed_like_a_new_one() -> None:
    assert review_update(replace(MUG, title="Burgundy gun"), MUG) == review(
        "Burgundy mug", MUG.description, "ceramics", ["mug"]
    )


@pytest.mark.parametrize("price", [2_401, 1_599, 1, 1_000_000])
def test_price_change_over_a_fifth_is_pending(price: int) -> None:
    verdict = review_update(MUG, replace(MUG, price_amount=price))
    assert verdict == Moderation(
        100, "pending", [Finding("has-tags", 5, "tags", "mug"), Finding("price-moved", 0, "price", f"2000 -> {price}")]
    )


def test_text_change_does_not_excuse_price_change() -> None:
    verdict = review_update(MUG, replace(MUG, title="Burgundy cup", price_amount=4_000))

    assert verdict is not None
    assert verdict.decision == "pending"


def test_price_change_does_not_lift_rejection() -> None:
    verdict = review_update(MUG, replace(MUG, title="Burgundy gun", price_amount=4_000))

    assert verdict is not None
    assert verdict.decision == "rejected"


def test_change_is_reviewed_by_current_policy() -> None:
    verdict = review_update(MUG, replace(MUG, title="Green mug"), policy=Policy(frozenset({"green"}), frozenset()))

    assert verdict is not None
    assert verdict.decision == "rejected"


anything = st.text(max_size=200)
separators = st.sampled_from([" ", ", ", "-", "_", "\n", ". ", "/", "\u3000", "\u200b \u200b"])
banned_words = st.sampled_from(sorted(DEFAULT_POLICY.banned))
harmless_words = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=12).filter(
    lambda word: unicodedata.normalize("NFKC", word).casefold() not in DEFAULT_POLICY.banned
) | banned_words.flatmap(lambda word: st.sampled_from([f"z{word}", f"{word}z", f"9{word}"]))
harmless_texts = st.lists(harmless_words, max_size=30).flatmap(
    lambda words: separators.map(lambda separator: separator.join(words))
)


@given(harmless_texts, harmless_texts, harmless_texts, st.lists(harmless_texts, max_size=5))
def test_unlisted_words_never_reject_product(title: str, description: str, category: str, tags: list[str]) -> None:
    assert review(title, description, category, tags).decision != "rejected"


@given(
    word=banned_words,
    dress=st.sampled_from([str.lower, str.upper, str.title, in_full_width, "\u200b".join]),
    before=anything,
    after=anything,
    gaps=st.tuples(separators, separators),
    field=st.sampled_from(["title", "description", "category", "tags"]),
)
def test_banned_word_anywhere_is_found_and_shown(
    word: str, dress: Callable[[str], str], before: str, after: str, gaps: tuple[str, str], field: str
) -> None:
    text = before + gaps[0] + dress(word) + gaps[1] + after
    verdict = judged_with(field, text)

    assert verdict.decision == "rejected"

    shown = [reason.excerpt for reason in verdict.reasons if reason.rule == "banned-word" and reason.field == field]
    assert any(word in excerpt.casefold() for excerpt in shown)
    assert all(len(excerpt) <= 2 * 20 + len(max(DEFAULT_POLICY.banned, key=len)) for excerpt in shown)


@given(anything, anything, anything, st.lists(anything, max_size=5))
def test_reasons_explain_score_and_decision(title: str, description: str, category: str, tags: list[str]) -> None:
    verdict = review(title, description, category, tags)

    assert verdict.score == max(0, min(100, 100 + sum(reason.points for reason in verdict.reasons)))

    found = {reason.rule for reason in verdict.reasons}
    if "banned-word" in found:
        assert verdict.decision == "rejected"
    elif "sensitive-category" in found or verdict.score < 90:
        assert verdict.decision == "pending"
    else:
        assert verdict.decision == "active"
