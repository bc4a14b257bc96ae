"""The findings of moderation as sentences for people."""

from collections.abc import Mapping
from typing import Final

from nextbuy.contracts.product import Finding

_FINDING_TEXTS: Final[Mapping[str, str]] = {
    "banned-word": "A word in the {field} is not allowed: “{word}”.",
    "restricted-word": "“{word}” in the {field} needs approval by an admin.",
    "sensitive-category": "Products in the category “{excerpt}” need approval by an admin.",
    "incomplete-title": "The title is too short.",
    "incomplete-description": "The description is too short.",
}
"""Sentences for the rules of moderation that cost points."""


def findings_text(findings: list[Finding]) -> str:
    """Return the findings of moderation as sentences for people, each once."""
    texts = [
        _FINDING_TEXTS.get(one.rule, "{rule}: “{excerpt}”.").format(
            rule=one.rule, field=one.field, excerpt=one.excerpt, word=one.word or one.excerpt
        )
        for one in findings
    ]
    return " ".join(dict.fromkeys(texts))
