"""Contracts only grow: each rule of compatibility is violated once, and the violation is reported."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.values import Role
from tests.contracts.forms import Fields, Thing, call, event, judged, route, struct

_REPLAYED = "house (shine) and replays of the event log must read it"
_BESIDE = "Keep the field, and add a new one with a default."
_WIDER = "Accept the old values; add a stricter rule where values are created, or in a new field."
Make = Callable[[Fields, Fields], Thing]
Small = Annotated[int, Meta(ge=1, le=9)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Short = Annotated[str, Meta(max_length=9)]


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        pytest.param({"room": str}, {}, f"room was removed. {_REPLAYED}. {_BESIDE}", id="a field removed"),
        pytest.param({"room": str}, {"hall": (str, "")}, "room was removed.", id="a field renamed"),
        pytest.param(
            {"room": str}, {"room": int}, f"room changed from string to integer. {_REPLAYED}. {_BESIDE}", id="retyped"
        ),
        pytest.param(
            {"room": str}, {"room": str | None}, "room changed from string to null or string.", id="null added"
        ),
        pytest.param(
            {"room": str | None}, {"room": str}, "room changed from null or string to string.", id="no longer null"
        ),
        pytest.param(
            {"room": list[str]}, {"room": list[int]}, "room[] changed from string to integer.", id="items retyped"
        ),
        pytest.param(
            {"room": (str, "")},
            {"room": str},
            "room was optional and is required.",
            id="an optional one required",
        ),
        pytest.param(
            {"room": str},
            {"room": (str | UnsetType, UNSET)},
            f"room was always present and is optional. {_REPLAYED}. Always set it.",
            id="a required one left out",
        ),
        pytest.param(
            {},
            {"room": str},
            f"room is new and required. {_REPLAYED}. Add a default.",
            id="a field without a default",
        ),
        pytest.param(
            {"tone": Literal["warm", "cold"]},
            {"tone": Literal["warm"]},
            f'tone no longer allows "cold". {_REPLAYED}. {_WIDER}',
            id="an enum narrowed",
        ),
        pytest.param(
            {"tone": str}, {"tone": Literal["warm"]}, "tone must be one of ['warm'].", id="a text made an enum"
        ),
        pytest.param({"watts": int}, {"watts": AtLeastOne}, "watts has the minimum 1.", id="a bound added"),
        pytest.param(
            {"watts": Small},
            {"watts": Annotated[int, Meta(ge=1, le=8)]},
            "watts has the maximum 8.",
            id="a bound narrowed",
        ),
        pytest.param(
            {"room": str}, {"room": Annotated[str, Meta(pattern="^x")]}, "room must match ^x.", id="a pattern"
        ),
        pytest.param(
            {"bulb": struct("Bulb", {"maker": struct("Maker", {"name": str})})},
            {"bulb": struct("Bulb", {"maker": struct("Maker", {"name": int})})},
            "bulb.maker.name changed from string to integer.",
            id="deep inside",
        ),
    ],
)
def test_incompatible_event_is_refused(was: Fields, now: Fields, sentence: str) -> None:
    found = judged(event(was), event(now, schema_version=1 + ("hall" in now)))
    assert [line for line in found.breaks if f"lamp.lit: {sentence}" in line], found.breaks
    assert len(found.breaks) == 1


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        pytest.param(
            None,
            "the event was removed. Replays of the event log must read it. Keep it, and add a new event.",
            id="removed",
        ),
        pytest.param(
            event({"room": str}, topic="lamp.on"),
            f"the topic of Lit changed to lamp.on. {_REPLAYED}.",
            id="another topic",
        ),
        pytest.param(
            event({"room": str}, key="room"),
            f"its key changed from lamp_id to room. {_REPLAYED}. Keep the key, or add a new event",
            id="another key",
        ),
    ],
)
def test_event_keeps_topic_and_key(now: Thing | None, sentence: str) -> None:
    found = judged(event({"room": str}), now)
    assert [line for line in found.breaks if f"lamp.lit: {sentence}" in line], found.breaks


def test_event_may_grow_with_new_schema_version() -> None:
    was, more = {"room": str}, {"room": str, "watts": (int, 0)}
    found = judged(event(was), event(more, schema_version=2))
    assert (found.breaks, found.added) == ([], ["lamp.lit: watts."])
    assert found.history["events"]["lamp.lit"]["versions"] == [
        {"version": 1, "since": "1.0", "added": ["lamp_id", "room"]},
        {"version": 2, "since": "1.1", "added": ["watts"]},
    ]
    assert judged(event(was), event(more)).breaks == [
        "lamp.lit: it adds watts, but its schema version is 1. Set schema_version=2 in Lit."
    ]
    assert judged(event(was), event(was, schema_version=2)).breaks == [
        "lamp.lit: nothing was added, but its schema version is 2. Set schema_version=1 in Lit."
    ]


def test_wider_event_names_listeners_to_update_first() -> None:
    found = judged(
        event({"tone": Literal["warm"], "watts": Small}),
        event({"tone": Literal["warm", "cold"], "watts": int}, schema_version=2),
    )
    assert found.breaks == []
    assert found.notes[0] == (f'lamp.lit: tone allows "cold". {_REPLAYED}. Update them before anything sends it.')
    assert len(found.notes) == 3


def test_new_required_reply_field_names_service_to_update_first() -> None:
    assert judged(call({}, {}), call({}, {"x": int})).notes == [
        "lamp.light: new callers require the reply's x. Update lamp before house."
    ]
    assert judged(call({}, {}), call({}, {"x": (int, 0)})).notes == []
    assert judged(route({}, {}), route({}, {"x": int})).notes == []


def test_required_field_may_get_default() -> None:
    assert judged(event({"room": str}), event({"room": (str, "")})).breaks == []


def test_new_event_is_allowed() -> None:
    found = judged(event({}, topic="lamp.lit"), event({}))
    assert (found.breaks, found.added) == ([], [])


_NARROWER: list[tuple[Any, Any]] = [
    (Literal["warm", "cold"], Literal["warm"]),
    (str | None, str),
    (Short, Annotated[str, Meta(max_length=8)]),
    (str, Annotated[str, Meta(pattern="^x")]),
]


@pytest.mark.parametrize("make", [call, route], ids=["call", "route"])
@pytest.mark.parametrize(("wide", "narrow"), _NARROWER)
def test_request_may_widen_and_reply_may_narrow(make: Make, wide: object, narrow: object) -> None:
    assert judged(make({"x": narrow}, {}), make({"x": wide}, {})).breaks == []
    assert judged(make({"x": wide}, {}), make({"x": narrow}, {})).breaks != []
    assert judged(make({}, {"x": wide}), make({}, {"x": narrow})).breaks == []


@pytest.mark.parametrize("make", [call, route], ids=["call", "route"])
def test_request_requires_nothing_new_and_reply_keeps_its_fields(make: Make) -> None:
    problem = "POST /lamp/api/light: {}. Clients rely on it. {}."
    if make is call:
        problem = "lamp.light: {}. house may run an older version. {}."
    required = "x is new and required"
    assert judged(make({}, {}), make({"x": int}, {})).breaks == [problem.format(required, "Add a default")]
    assert judged(make({}, {}), make({"x": (int, 0)}, {})).breaks == []
    assert judged(make({"x": int}, {}), make({"x": (int, 0)}, {})).breaks == []
    assert judged(make({"x": (int, 0)}, {}), make({"x": int}, {})).breaks != []
    assert judged(make({"x": (int, 0)}, {}), make({}, {})).breaks == [problem.format("x was removed", _BESIDE[:-1])]
    assert judged(make({}, {}), make({}, {"x": int})).breaks == []
    gone = "the reply's x was removed"
    assert judged(make({}, {"x": int}), make({}, {})).breaks == [problem.format(gone, _BESIDE[:-1])]
    assert judged(make({}, {"x": int}), make({}, {"x": str})).breaks != []
    assert judged(make({}, {"x": int}), make({}, {"x": int | None})).breaks != []


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        pytest.param(call({}, {}), None, r"lamp\.light: the call was removed\.", id="a call removed"),
        pytest.param(call({}, {}), call({}, {}, callers=()), "house may no longer call it", id="a caller shut out"),
        pytest.param(call({}, {}), call({}, {}, idempotent=False), "is no longer idempotent", id="not idempotent"),
        pytest.param(route({}, {}), None, "POST /lamp/api/light: the route was removed", id="a route removed"),
        pytest.param(
            route({}, {}), route({}, {}, status=201), "its status changed from 200 to 201", id="another status"
        ),
        pytest.param(
            route({}, {}), route({}, {}, who=[Role.ADMIN]), "anyone may no longer use it", id="for others only"
        ),
    ],
)
def test_properties_of_call_and_route_stay(was: Thing, now: Thing | None, sentence: str) -> None:
    found = judged(was, now).breaks
    assert [line for line in found if re.search(sentence, line)], found


def test_new_callers_and_roles_are_allowed() -> None:
    found = judged(call({}, {}), call({}, {}, callers=("house", "street")))
    assert (found.breaks, found.added) == ([], ["lamp.light: street may call it."])
    assert judged(route({}, {}, who=[Role.ADMIN]), route({}, {})).breaks == []


def test_recursive_type_is_compared() -> None:
    class Tree(Struct):
        left: "Tree | None" = None
        name: str = ""

    class Grown(Struct):
        left: "Grown | None" = None
        name: int = 0

    globals().update(Tree=Tree, Grown=Grown)
    found = judged(event({"tree": Tree}), event({"tree": Grown})).breaks
    assert [line for line in found if "tree.name changed from string to integer" in line]


def test_names_of_types_may_change() -> None:
    found = judged(event({"bulb": struct("Bulb", {"name": str})}), event({"bulb": struct("Lamp", {"name": str})}))
    assert (found.breaks, found.added) == ([], [])
