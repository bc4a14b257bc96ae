"""The words that moderation looks for, compiled once per process, and the search for them in a text.

A word of a text matches in any form that a buyer reads as that word: upper case, plural, with letters of another
alphabet, digits for letters, accents, or signs and blanks between its letters. Only whole words match: "gun" is not in
"burgundy". The search takes time in proportion to the length of the text and hardly depends on the number of entries.
"""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any, Final, Literal, NamedTuple, Self
from unicodedata import combining

from nextbuy.product.readable import Readable, Span, fold, has_accent, skeleton, split_words, unmask, words

Effect = Literal["refused", "pending", "allowed"]
EFFECTS: Final[tuple[Effect, ...]] = ("refused", "pending", "allowed")
"""Of an entry that is listed twice, the later of these effects counts."""

NEAR: Final = 4
"""The highest number of words between two that belong together."""
_SHORT: Final = 3
"""The fewest letters of a word that has a plural, and that is recognised if it is split or spelled out."""
_LONG: Final = 5
"""The fewest letters of a word that is recognised without its accents, or spelled out among other single letters."""
_GROUP: Final = re.compile(r"\(([^()]*)\)|(\S+)")


class Match(NamedTuple):
    """An entry that was found in a text, and where; `in_description` is its effect there, None for no effect."""

    entry: str
    effect: Effect
    in_description: Effect | None
    start: int
    end: int


class _Branch(dict[str, "_Branch"]):
    """The ways in which entries with a common beginning continue, and the entry that ends here, if any."""

    entry: tuple[str, ...] = ()


class Rule(NamedTuple):
    """The effect of an entry, and the conditions under which a refused one is left to an admin."""

    effect: Effect
    softened: bool = True
    """Whether a softening word nearby is such a condition."""
    mentions: bool = False
    """Whether a place in the description is such a condition."""


class _Token(NamedTuple):
    """A word of a text, and the words of the lexicon that it may be."""

    span: Span
    known: tuple[str, ...]


class _Place(NamedTuple):
    """An entry, and the tokens that make it up: from `first` up to `last`, which is excluded."""

    entry: tuple[str, ...]
    first: int
    last: int


_Entry = tuple[str, ...]
_Found = tuple[_Place, Effect, Effect | None]
_Pair = tuple[frozenset[_Entry], frozenset[_Entry]]


class Lexicon:
    """Words and phrases with their effects, by any form in which they are written."""

    def __init__(
        self,
        rules: Mapping[str, Rule],
        softening: Iterable[str] = (),
        pairs: Iterable[tuple[Iterable[str], Iterable[str]]] = (),
    ) -> None:
        """Compile rules by their entry, the words that soften them, and pairs of words that are refused together."""
        self._rules = {_entry(text): rule for text, rule in rules.items() if _entry(text)}
        self._softening = frozenset(_entry(text) for text in softening)
        self._pairs: list[_Pair] = [
            (frozenset(map(_entry, first)), frozenset(map(_entry, second))) for first, second in pairs
        ]
        listed = [*self._rules, *self._softening, *(entry for pair in self._pairs for side in pair for entry in side)]
        self._phrases = _tree(listed)
        self._forms = _group((form, word) for entry in listed for word in entry for form in _forms(word))
        self._look_alikes = _group((skeleton(form), form) for form in self._forms)
        self._longest = max(map(len, self._forms), default=0)

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> Self:
        """Compile a document of the form of `moderation_words.toml`."""
        areas = [area for area in document.values() if isinstance(area, dict)]
        rules: dict[str, Rule] = {}
        for effect in EFFECTS:
            for area in areas:
                rule = Rule(effect, area.get("softened", True), area.get("mentions", False))
                rules |= dict.fromkeys(_expand(area[effect]), rule)
        pairs = [(_expand(pair["first"]), _expand(pair["second"])) for pair in document["pairs"]]
        return cls(rules, _expand(document["softening"]), pairs)

    def find(self, readable: Readable) -> list[Match]:
        """Return the refused and pending entries in a text, in order."""
        tokens = self._tokens(readable.text)
        places = list(self._places(tokens))
        matches = [*self._matches(places), *self._paired(places)]
        spans = [token.span for token in tokens]
        found = [
            Match(" ".join(place.entry), effect, mentioned, spans[place.first].start, spans[place.last - 1].end)
            for place, effect, mentioned in matches
        ]
        return sorted(found, key=lambda match: match.start)

    def _matches(self, places: Sequence[_Place]) -> Iterator[_Found]:
        """Yield the matches that do not overlap, from left to right, the longest of those that begin together."""
        softening = [place.first for place in places if place.entry in self._softening]
        beyond = 0
        for place in places:
            if place.entry not in self._rules or place.first < beyond:
                continue
            beyond = place.last
            rule = self._rules[place.entry]
            if rule.effect == "pending":
                yield place, "pending", None
            elif rule.effect == "refused":
                effect: Effect = "pending" if rule.softened and _is_near(softening, place) else "refused"
                yield place, effect, "pending" if rule.mentions else effect

    def _paired(self, places: Sequence[_Place]) -> Iterator[_Found]:
        """Yield the pairs whose words are near each other; words of an exception belong to none."""
        allowed = self._covered(places, "allowed")
        # "Imitation leather" names the imitated material, so it concerns no brand.
        phrases = self._covered([place for place in places if len(place.entry) > 1], "pending")
        for one, other in self._pairs:
            seconds = [place for place in places if place.entry in other and place.first not in allowed]
            starts = [place.first for place in seconds]
            for place in places:
                if place.entry not in one or place.first in allowed or place.first in phrases:
                    continue
                index = bisect_left(starts, place.first - NEAR - 1)
                if index < len(seconds) and starts[index] <= place.last + NEAR:
                    second = seconds[index]
                    first, last = min(place.first, second.first), max(place.last, second.last)
                    yield _Place((*place.entry, *second.entry), first, last), "refused", "refused"

    def _covered(self, places: Iterable[_Place], effect: Effect) -> set[int]:
        ruled = (place for place in places if place.entry in self._rules and self._rules[place.entry].effect == effect)
        return {index for place in ruled for index in range(place.first, place.last)}

    def _places(self, tokens: Sequence[_Token]) -> Iterator[_Place]:
        """Yield every listed entry that tokens make up, by their beginning, the longest first."""
        for index in range(len(tokens)):
            found: list[_Place] = []
            branches = [self._phrases]
            for last in range(index, len(tokens)):
                branches = [branch[word] for branch in branches for word in tokens[last].known if word in branch]
                if not branches:
                    break
                found += [_Place(branch.entry, index, last + 1) for branch in branches if branch.entry]
            yield from reversed(found)

    def _tokens(self, text: str) -> list[_Token]:
        tokens = [_Token(span, self._known(span.word)) for span in words(text)]
        tokens = _replace(tokens, self._split(text))
        return _replace(tokens, self._spelled_out(tokens))

    def _split(self, text: str) -> Iterator[_Token]:
        """Yield the known words with signs between their letters."""
        for readings in split_words(text):
            for span in readings:
                known = self._known(span.word) if len(span.word) >= _SHORT else ()
                if known:
                    yield _Token(span, known)
                    break

    def _spelled_out(self, tokens: Sequence[_Token]) -> Iterator[_Token]:
        """Yield the known words in runs of single letters: all of a run, or a long word in it."""
        for run in _runs_of_letters(tokens):
            letters = "".join(span.word for span in run)
            plain = "".join(skeleton(letter) or " " for letter in letters)
            start = 0
            while start < len(run):
                for end in range(min(start + self._longest, len(run)), start + 2, -1):
                    if plain[start:end] not in self._look_alikes or (end - start < min(_LONG, len(run))):
                        continue
                    known = self._known(letters[start:end])
                    if known:
                        yield _Token(Span(letters[start:end], run[start].start, run[end - 1].end), known)
                        start = end - 1
                        break
                start += 1

    def _known(self, word: str) -> tuple[str, ...]:
        """Return the listed words that a word of a text is, or is disguised as."""
        folded = fold(word)
        if folded in self._forms:
            return self._forms[folded]
        forms = self._look_alikes.get(skeleton(word), ())
        return tuple(known for form in forms if _may_disguise(word, form) for known in self._forms[form])


@cache
def default_lexicon() -> Lexicon:
    """Return the compiled lexicon of this marketplace."""
    source = files("nextbuy.product").joinpath("moderation_words.toml").read_text("utf-8")
    return Lexicon.load(tomllib.loads(source))


def _may_disguise(word: str, form: str) -> bool:
    """Return whether a word that looks like a form may be one.

    Half of it must be letters; a short one must differ by more than accents.
    """
    letters = sum(char.isalpha() for char in word)
    if 2 * letters < max(sum(not combining(char) for char in word), _SHORT):
        return False
    if len(form) >= _LONG:
        return True
    disguised = any(char.isdigit() or unmask(char) != char for char in word)
    return disguised and any(char.isascii() and char.isalpha() for char in word) and not has_accent(unmask(word))


def _is_near(positions: Sequence[int], place: _Place) -> bool:
    """Return whether one of these positions, in order, is at most `NEAR` words from a place."""
    index = bisect_left(positions, place.first - NEAR)
    return index < len(positions) and positions[index] < place.last + NEAR


def _replace(tokens: list[_Token], found: Iterable[_Token]) -> list[_Token]:
    """Put tokens, in order, in the place of those that they cover."""
    replaced: list[_Token] = []
    position = 0
    for token in found:
        while position < len(tokens) and tokens[position].span.start < token.span.start:
            replaced.append(tokens[position])
            position += 1
        replaced.append(token)
        while position < len(tokens) and tokens[position].span.start < token.span.end:
            position += 1
    return [*replaced, *tokens[position:]]


def _runs_of_letters(tokens: Sequence[_Token]) -> Iterator[list[Span]]:
    run: list[Span] = []
    for token in tokens:
        if len(token.span.word) == 1:
            run.append(token.span)
            continue
        if len(run) >= _SHORT:
            yield run
        run = []
    if len(run) >= _SHORT:
        yield run


def _entry(text: str) -> _Entry:
    if text.isascii() and text.replace(" ", "").isalnum():
        return tuple(text.lower().split())
    return tuple(fold(span.word) for span in words(text))


def _forms(word: str) -> set[str]:
    """Return a word with its plurals, also in slang ("gunz")."""
    forms = {word, f"{word}s", f"{word}z"} if len(word) >= _SHORT else {word}
    if word.endswith(("s", "x", "z", "ch", "sh", "o")):
        forms.add(f"{word}es")
    if word.endswith("y"):
        forms.add(f"{word[:-1]}ies")
    if word.endswith("f"):
        forms.add(f"{word[:-1]}ves")
    if word.endswith("fe"):
        forms.add(f"{word[:-2]}ves")
    return forms


def _tree(listed: Iterable[_Entry]) -> _Branch:
    root = _Branch()
    for entry in listed:
        branch = root
        for word in entry:
            branch = branch.setdefault(word, _Branch())
        branch.entry = entry
    return root


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    groups: dict[str, dict[str, None]] = {}
    for key, value in pairs:
        groups.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in groups.items()}


def _expand(text: str) -> list[str]:
    """Return the entries of a list with commas, one for each combination of the alternatives in brackets."""
    entries: list[str] = []
    for entry in text.split(","):
        groups = [
            [alternative.strip() for alternative in (match[1] or match[2]).split("|")]
            for match in _GROUP.finditer(entry)
        ]
        entries += [" ".join(parts) for parts in product(*groups) if parts]
    return entries
