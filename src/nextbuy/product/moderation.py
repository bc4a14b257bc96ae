"""Automatic moderation: accept a product, reject it, or leave it to an admin, with the reasons for its score.

Each reason names the rule, the field and the text as the seller wrote it, so that a seller knows what to change. The
policy is docs/moderation.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from nextbuy.contracts.product import Decision, Finding, Moderation
from nextbuy.product.lexicon import Effect, Lexicon, default_lexicon
from nextbuy.product.readable import Readable, read, skeleton, words

BANNED_RULE: Final = "banned-word"
RESTRICTED_RULE: Final = "restricted-word"
FULL_SCORE: Final = 100
BANNED_POINTS: Final = -80
RESTRICTED_POINTS: Final = -20
SENSITIVE_POINTS: Final = -20
INCOMPLETE_POINTS: Final = -10
TAGS_POINTS: Final = 5
SHORT_TITLE: Final = 5
SHORT_DESCRIPTION: Final = 10
PRICE_MOVE_PERCENT: Final = 20
EXCERPT_CONTEXT: Final = 20
MAX_EXCERPT: Final = 200
"""Characters of an excerpt. Only a word that is padded with invisible characters is longer."""
MAX_WORDS: Final = 20
"""Findings about words of one field; the worst come first, and more would tell the seller nothing new."""

_RULES: Final[dict[Effect, tuple[str, int]]] = {
    "refused": (BANNED_RULE, BANNED_POINTS),
    "pending": (RESTRICTED_RULE, RESTRICTED_POINTS),
}

_SENSITIVE: Final = "cosmetics, electronics, food, health supplements, jewelry, luxury goods, pharmaceuticals"


@dataclass(frozen=True)
class Policy:
    """Refused and restricted words; sensitive categories and scores below the threshold, which need an admin too."""

    lexicon: Lexicon = field(default_factory=default_lexicon)
    sensitive_categories: frozenset[str] = frozenset(_SENSITIVE.split(", "))
    threshold: int = 90


DEFAULT_POLICY: Final = Policy()


@dataclass(frozen=True)
class Listing:
    """The fields of a product that moderation reviews; the price is in minor units."""

    title: str
    description: str
    category: str
    tags: tuple[str, ...]
    price_amount: int


def review(
    title: str, description: str, category: str, tags: Sequence[str], *, policy: Policy = DEFAULT_POLICY
) -> Moderation:
    """Review the text of a product.

    The score is 100 plus the points of all reasons, limited to 0 to 100. A refused word counts once per field and
    rejects the product. Otherwise a restricted word, a sensitive category or a score below the threshold leaves it to
    an admin.
    """
    fields = {
        "title": [read(title)],
        "description": [read(description)],
        "category": [read(category)],
        "tags": [read(tag) for tag in tags],
    }
    reasons = [reason for name, texts in fields.items() for reason in _word_reasons(name, texts, policy)]
    banned = any(reason.rule == BANNED_RULE for reason in reasons)
    restricted = any(reason.rule == RESTRICTED_RULE for reason in reasons)

    title, description, category = (fields[name][0].text.strip() for name in ("title", "description", "category"))
    visible_tags = [tag for text in fields["tags"] if (tag := text.text.strip())]
    sensitive = _skeleton(category) in {_skeleton(listed) for listed in policy.sensitive_categories}
    if sensitive:
        reasons.append(Finding("sensitive-category", SENSITIVE_POINTS, "category", category))
    if len(title) <= SHORT_TITLE:
        reasons.append(Finding("incomplete-title", INCOMPLETE_POINTS, "title", title))
    if len(description) <= SHORT_DESCRIPTION:
        reasons.append(Finding("incomplete-description", INCOMPLETE_POINTS, "description", description))
    if visible_tags:
        reasons.append(Finding("has-tags", TAGS_POINTS, "tags", visible_tags[0]))
    score = max(0, min(FULL_SCORE, FULL_SCORE + sum(reason.points for reason in reasons)))
    decision: Decision = "active"
    if banned:
        decision = "rejected"
    elif restricted or sensitive or score < policy.threshold:
        decision = "pending"
    return Moderation(score, decision, reasons)


def review_update(before: Listing, after: Listing, *, policy: Policy = DEFAULT_POLICY) -> Moderation | None:
    """Review a change of a product, or return None if the text is the same and the price hardly moved.

    A change of the text is reviewed like a new product, so a corrected product may become active. A price change
    of more than `PRICE_MOVE_PERCENT` leaves a product to an admin whose text is accepted.

    `before` has the price that was last accepted, not the one last saved: otherwise small steps would add up unnoticed.
    """
    price_moved = _price_moved(before.price_amount, after.price_amount)
    if not price_moved and _text_of(before) == _text_of(after):
        return None
    verdict = review(after.title, after.description, after.category, after.tags, policy=policy)
    if not price_moved:
        return verdict
    reason = Finding("price-moved", 0, "price", f"{before.price_amount} -> {after.price_amount}")
    decision: Decision = "pending" if verdict.decision == "active" else verdict.decision
    return replace(verdict, decision=decision, reasons=[*verdict.reasons, reason])


def _text_of(listing: Listing) -> tuple[str, str, str, tuple[str, ...]]:
    return listing.title, listing.description, listing.category, listing.tags


def _price_moved(before: int, after: int) -> bool:
    return abs(after - before) * 100 > before * PRICE_MOVE_PERCENT


def _skeleton(text: str) -> tuple[str, ...]:
    return tuple(skeleton(span.word) for span in words(text))


def _word_reasons(name: str, texts: Iterable[Readable], policy: Policy) -> list[Finding]:
    """Return one reason for each refused or restricted entry in a field, at its first match."""
    reasons: dict[str, Finding] = {}
    for text in texts:
        for match in policy.lexicon.find(text):
            effect = match.in_description if name == "description" else match.effect
            if effect is None or match.entry in reasons:
                continue
            rule, points = _RULES[effect]
            word, excerpt = (text.written(match.start, match.end, context) for context in (0, EXCERPT_CONTEXT))
            reasons[match.entry] = Finding(rule, points, name, excerpt[:MAX_EXCERPT], word[:MAX_EXCERPT])
    return sorted(reasons.values(), key=lambda reason: reason.points)[:MAX_WORDS]
