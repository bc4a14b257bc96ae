"""Reviews of a harmless mug in which one text is replaced."""

from nextbuy.contracts.product import Moderation
from nextbuy.product.lexicon import Lexicon, Rule
from nextbuy.product.moderation import DEFAULT_POLICY, Listing, Policy, review

MUG = Listing("Burgundy mug", "Thrown by hand, glazed in burgundy.", "ceramics", ("mug",), 2_000)


def judged(
    title: str = MUG.title,
    description: str = MUG.description,
    category: str = MUG.category,
    tags: tuple[str, ...] = (),
    policy: Policy = DEFAULT_POLICY,
) -> Moderation:
    return review(title, description, category, tags, policy=policy)


def listing(*refused: str) -> Policy:
    """Return a policy that refuses these entries only."""
    return Policy(Lexicon({entry: Rule("refused") for entry in refused}), frozenset())


def judged_with(field: str, text: str) -> Moderation:
    texts = {"title": MUG.title, "description": MUG.description, "category": MUG.category, field: text}
    return judged(texts["title"], texts["description"], texts["category"], (text,) if field == "tags" else ())


def rules(verdict: Moderation) -> list[tuple[str, int, str]]:
    return [(reason.rule, reason.points, reason.field) for reason in verdict.reasons]
