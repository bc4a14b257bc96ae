"""The story of an id: the interactions that name it, and all interactions of its purchase and of their traces.

Ids are followed in rounds: from an order to its session, then to its payment, to the requests and calls of their
traces, and to the work for batches of their events. A product or an account is part of many purchases, and these are
not followed: the story of a product has the calls that name it, and the whole traces of its events.
"""

import asyncio
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final
from uuid import UUID

import msgspec

from nextbuy.contracts.traces import request_key, trace_key
from nextbuy.kafka.traces.store import find_batches
from nextbuy.kit.observability.ids import PURCHASE_KINDS
from nextbuy.kit.observability.interaction import Interaction, InteractionLine
from nextbuy.kit.observability.recorder import path_id
from nextbuy.kit.storage.database import Database

MAX_ID: Final = 128
"""Characters of the longest request id."""
MAX_INTERACTIONS: Final = 2_000
_MAX_ROUNDS: Final = 6
_MAX_TERMS: Final = 200
"""Ids per round."""
_MAX_BATCHES: Final = 100
"""Batches per round."""
_MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
_MAX_BYTES: Final = 128 * 1024 * 1024
"""Bytes of lines that are searched for one story."""
_MAX_CANDIDATES: Final = 5 * MAX_INTERACTIONS
_FOLLOWED: Final = PURCHASE_KINDS | {"event", "mail"}
"""Kinds of ids whose interactions all belong to one story."""
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_NUMBER: Final = re.compile(r"(?i)nb-[a-z0-9-]+")
_decode: Final = msgspec.json.Decoder(InteractionLine).decode


def normalise(wanted: str) -> str:
    """Return an id as it is written in interactions; people may type it in another case, or with a leading #."""
    wanted = wanted.strip().removeprefix("#").strip()
    if _UUID.fullmatch(wanted):
        return wanted.lower()
    return wanted.upper() if _NUMBER.fullmatch(wanted) else wanted


async def find_story(database: Database, wanted: str) -> list[Interaction]:
    """Return the interactions that tell the story of an id, in order of time; empty if none is stored.

    A client chooses its request ids, so an id counts as one only if it is nothing else. Of more than
    `MAX_INTERACTIONS`, reads and refused requests are left out first, then the earliest.
    """
    wanted = wanted.encode(errors="replace").decode().strip()
    story = await _find(database, _Story(normalise(wanted)))
    for request_id in dict.fromkeys((wanted, normalise(wanted))):
        story = story or await _find(database, _Story(request_id, is_request_id=True))
    return story


async def _find(database: Database, story: "_Story") -> list[Interaction]:
    terms = {story.wanted}
    for _ in range(_MAX_ROUNDS):
        keys = [story.key_of(term) for term in terms]
        rows = await find_batches(database, keys, story.batches.keys(), _MAX_BATCHES)
        batches = {row["id"]: row["lines"] for row in rows}
        # Searching thousands of lines would block the event loop.
        terms = await asyncio.to_thread(story.extend, batches, terms)
        if not terms:
            break
    parts = sorted(story.parts.values(), key=lambda one: (one.is_untrusted, -one.at))[:MAX_INTERACTIONS]
    return sorted(parts, key=lambda one: one.order)


class _Story:
    """The interactions found so far, and the ids and traces to follow."""

    def __init__(self, wanted: str, *, is_request_id: bool = False) -> None:
        self.wanted = wanted
        self._is_request_id = is_request_id
        self.batches: dict[UUID, bytes] = {}
        """The lines of all batches that were read; most of them belong to other stories."""
        self.parts: dict[bytes, Interaction] = {}
        self._bytes = 0
        self._candidates: dict[bytes, Interaction] = {}
        """Lines that contain one of the searched ids."""
        self._traces: set[str] = set()
        self._linked: set[str] = set()
        """Traces of work for a batch; their other ids are not followed."""
        self._purchase: set[str] = set()
        self._searched = {wanted}

    def key_of(self, term: str) -> int:
        """Return the key under which a term is stored."""
        return request_key(term) if self._is_request_id and term == self.wanted else trace_key(term)

    def extend(self, batches: Mapping[UUID, bytes], terms: Collection[str]) -> set[str]:
        """Search new batches for all ids so far, and earlier ones for `terms`; return the ids to search for next."""
        self._search(self.batches.values(), terms)
        new = []
        for batch_id, compressed in batches.items():
            self.batches[batch_id] = b""
            if self._bytes < _MAX_BYTES:
                lines = self.batches[batch_id] = zlib.decompressobj().decompress(compressed, _MAX_BATCH_BYTES)
                self._bytes += len(lines)
                new.append(lines)
        self._search(new, self._searched)
        self._add_parts()
        following = sorted((self._traces | self._linked | self._purchase) - self._searched)[:_MAX_TERMS]
        self._searched.update(following)
        return set(following)

    def _search(self, batches: Iterable[bytes], terms: Collection[str]) -> None:
        for lines in batches:
            for term in map(str.encode, terms):
                at = lines.find(term)
                while at >= 0 and len(self._candidates) < _MAX_CANDIDATES:
                    begin, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at)
                    line = lines[begin : end if end >= 0 else len(lines)]
                    if line not in self._candidates:
                        self._candidates[line] = _decode(line).complete()
                    at = lines.find(term, end) if end >= 0 else -1

    def _add_parts(self) -> None:
        growing = True
        while growing:
            growing = False
            for line, one in self._candidates.items():
                if line not in self.parts and self._belongs(one):
                    self.parts[line] = one
                    self._follow(one)
                    growing = True

    def _belongs(self, one: Interaction) -> bool:
        return (
            one.trace_id in self._traces
            or one.trace_id in self._linked
            or not self._traces.isdisjoint(one.links)
            or not self._purchase.isdisjoint(_purchase_ids(one))
            or self._is_requested(one)
            or self.wanted in _terms(one)
            or path_id(one.kind, one.name, one.status) in self._purchase
        )

    def _follow(self, one: Interaction) -> None:
        if self.wanted == one.trace_id or self._is_requested(one):
            self._follow_whole(one)
        elif not one.is_untrusted:
            self._follow_ids(one)

    def _follow_ids(self, one: Interaction) -> None:
        if one.trace_id in self._traces:
            self._follow_whole(one)
            return
        if one.trace_id in self._linked:
            return
        kinds = {kind for kind, some in one.ids.items() if self.wanted in some}
        if not kinds.isdisjoint(_FOLLOWED) or (kinds and one.kind == "publish") or self._is_of_purchase(one):
            self._follow_whole(one)
        elif not kinds:
            # Work for a batch, or a request with the id in its path only, which may have reached no service.
            self._linked.add(one.trace_id)

    def _is_requested(self, one: Interaction) -> bool:
        return self._is_request_id and self.wanted == one.correlation_id

    def _is_of_purchase(self, one: Interaction) -> bool:
        return not self._purchase.isdisjoint(_purchase_ids(one)) and len(one.ids.get("session", ())) <= 1

    def _follow_whole(self, one: Interaction) -> None:
        self._traces.add(one.trace_id)
        self._linked.update(one.links)
        if len(one.ids.get("session", ())) <= 1:
            self._purchase.update(_purchase_ids(one))


def _purchase_ids(one: Interaction) -> Iterator[str]:
    for kind in PURCHASE_KINDS & one.ids.keys():
        yield from one.ids[kind]


def _terms(one: Interaction) -> Iterable[str]:
    yield one.trace_id
    yield from one.links
    for some in one.ids.values():
        yield from some
    yield path_id(one.kind, one.name, one.status)
