"""What was agreed may grow and does nothing else: each rule is broken once, and told as what it is."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from nextbuy.contracts.values import Role
from tests.contracts.forms import Fields, Thing, call, event, judged, route, struct

_REPLAYED = "house (shine) and whoever replays the log must read it"
_BESIDE = "Keep the field, and say what is different in another one with a default."
_WIDER = "Take what was taken; a stricter rule goes to where it is written, or into another field."
Make = Callable[[Fields, Fields], Thing]
Small = Annotated[int, Meta(ge=1, le=9)]
AtLeastOne = Annotated[int, Meta(ge=1)]
Short = Annotated[str, Meta(max_length=9)]


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        pytest.param({"room": str}, {}, f"room is gone. {_REPLAYED}. {_BESIDE}", id="a field removed"),
        pytest.param({"room": str}, {"hall": (str, "")}, "room is gone.", id="a field renamed"),
        pytest.param(
            {"room": str}, {"room": int}, f"room was string and is integer. {_REPLAYED}. {_BESIDE}", id="retyped"
        ),
        pytest.param(
            {"room": str}, {"room": str | None}, "room was string and is null or string.", id="null where none was"
        ),
        pytest.param({"room": str | None}, {"room": str}, "room was null or string and is string.", id="null no more"),
        pytest.param({"room": list[str]}, {"room": list[int]}, "room[] was string and is integer.", id="items retyped"),
        pytest.param(
            {"room": (str, "")},
            {"room": str},
            "room must be said and could be left out.",
            id="an optional one required",
        ),
        pytest.param(
            {"room": str},
            {"room": (str | UnsetType, UNSET)},
            f"room may be left out and was always there. {_REPLAYED}. Always say it.",
            id="a required one left out",
        ),
        pytest.param(
            {},
            {"room": str},
            f"room is asked for, and nobody has said it so far. {_REPLAYED}. Give it a default.",
            id="a field without a default",
        ),
        pytest.param(
            {"tone": Literal["warm", "cold"]},
            {"tone": Literal["warm"]},
            f'tone can be "cold" no more. {_REPLAYED}. {_WIDER}',
            id="an enum narrowed",
        ),
        pytest.param(
            {"tone": str}, {"tone": Literal["warm"]}, "tone must be one of ['warm'].", id="a text made an enum"
        ),
        pytest.param({"watts": int}, {"watts": AtLeastOne}, "watts has the minimum 1.", id="a bound where none was"),
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
            "bulb.maker.name was string and is integer.",
            id="deep inside",
        ),
    ],
)
def test_an_event_that_would_break_a_listener_is_refused(was: Fields, now: Fields, sentence: str) -> None:
    found = judged(event(was), event(now, schema_version=1 + ("hall" in now)))
    assert [line for line in found.breaks if f"lamp.lit: {sentence}" in line], found.breaks
    assert len(found.breaks) == 1


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        pytest.param(
            None,
            "the event is gone. Whoever replays the log must read it. Keep it, and publish another event beside it.",
            id="removed",
        ),
        pytest.param(
            event({"room": str}, topic="lamp.on"), f"Lit goes by the topic lamp.on. {_REPLAYED}.", id="another topic"
        ),
        pytest.param(
            event({"room": str}, key="room"),
            f"its order was kept per lamp_id and is kept per room. {_REPLAYED}. Keep the key; another order needs",
            id="another key",
        ),
    ],
)
def test_an_event_stays_where_and_in_the_order_it_was(now: Thing | None, sentence: str) -> None:
    found = judged(event({"room": str}), now)
    assert [line for line in found.breaks if f"lamp.lit: {sentence}" in line], found.breaks


def test_an_event_may_say_more_and_counts_it() -> None:
    was, more = {"room": str}, {"room": str, "watts": (int, 0)}
    found = judged(event(was), event(more, schema_version=2))
    assert (found.breaks, found.added) == ([], ["lamp.lit: watts."])
    assert found.history["events"]["lamp.lit"]["versions"] == [
        {"version": 1, "since": "1.0", "added": ["lamp_id", "room"]},
        {"version": 2, "since": "1.1", "added": ["watts"]},
    ]
    assert judged(event(was), event(more)).breaks == [
        "lamp.lit: it adds watts, and its schema version is 1. Say schema_version=2 in Lit."
    ]
    assert judged(event(was), event(was, schema_version=2)).breaks == [
        "lamp.lit: nothing was added, and its schema version is 2. Say schema_version=1 in Lit."
    ]


def test_an_event_may_say_what_older_listeners_refuse_and_it_is_told_whom_to_update_first() -> None:
    found = judged(
        event({"tone": Literal["warm"], "watts": Small}),
        event({"tone": Literal["warm", "cold"], "watts": int}, schema_version=2),
    )
    assert found.breaks == []
    assert found.notes[0] == (
        f'lamp.lit: tone may be "cold". {_REPLAYED}. Bring them up to date before anything says it.'
    )
    assert len(found.notes) == 3


def test_an_answer_that_newer_callers_insist_on_is_told_with_who_is_to_be_updated_first() -> None:
    assert judged(call({}, {}), call({}, {"x": int})).notes == [
        "lamp.light: the answer's x is insisted on. Bring lamp up to date before house."
    ]
    assert judged(call({}, {}), call({}, {"x": (int, 0)})).notes == []
    assert judged(route({}, {}), route({}, {"x": int})).notes == []


def test_a_required_field_may_get_a_default_because_it_is_said_all_the_same() -> None:
    assert judged(event({"room": str}), event({"room": (str, "")})).breaks == []


def test_another_event_beside_it_is_welcome() -> None:
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
def test_a_request_may_be_taken_in_more_forms_and_an_answer_given_in_fewer(
    make: Make, wide: object, narrow: object
) -> None:
    assert judged(make({"x": narrow}, {}), make({"x": wide}, {})).breaks == []
    assert judged(make({"x": wide}, {}), make({"x": narrow}, {})).breaks != []
    assert judged(make({}, {"x": wide}), make({}, {"x": narrow})).breaks == []


@pytest.mark.parametrize("make", [call, route], ids=["call", "route"])
def test_a_request_asks_for_no_more_and_an_answer_says_no_less(make: Make) -> None:
    told = "POST /lamp/api/light: {}. Programs outside rely on it. {}."
    if make is call:
        told = "lamp.light: {}. house may run an older version. {}."
    asked = "x is asked for, and nobody has said it so far"
    assert judged(make({}, {}), make({"x": int}, {})).breaks == [told.format(asked, "Give it a default")]
    assert judged(make({}, {}), make({"x": (int, 0)}, {})).breaks == []
    assert judged(make({"x": int}, {}), make({"x": (int, 0)}, {})).breaks == []
    assert judged(make({"x": (int, 0)}, {}), make({"x": int}, {})).breaks != []
    assert judged(make({"x": (int, 0)}, {}), make({}, {})).breaks == [told.format("x is gone", _BESIDE[:-1])]
    assert judged(make({}, {}), make({}, {"x": int})).breaks == []
    gone = "the answer's x is gone"
    assert judged(make({}, {"x": int}), make({}, {})).breaks == [told.format(gone, _BESIDE[:-1])]
    assert judged(make({}, {"x": int}), make({}, {"x": str})).breaks != []
    assert judged(make({}, {"x": int}), make({}, {"x": int | None})).breaks != []


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        pytest.param(call({}, {}), None, r"lamp\.light: the call is gone\.", id="a call removed"),
        pytest.param(call({}, {}), call({}, {}, callers=()), "house may not call it any more", id="a caller shut out"),
        pytest.param(call({}, {}), call({}, {}, idempotent=False), "may not be repeated any more", id="not repeatable"),
        pytest.param(route({}, {}), None, "POST /lamp/api/light: the address is gone", id="an address removed"),
        pytest.param(route({}, {}), route({}, {}, status=201), "its status was 200 and is 201", id="another status"),
        pytest.param(
            route({}, {}), route({}, {}, who=[Role.ADMIN]), "anyone may not use it any more", id="for others only"
        ),
    ],
)
def test_what_is_around_a_call_and_a_route_stays(was: Thing, now: Thing | None, sentence: str) -> None:
    found = judged(was, now).breaks
    assert [line for line in found if re.search(sentence, line)], found


def test_a_caller_more_and_people_more_are_welcome() -> None:
    found = judged(call({}, {}), call({}, {}, callers=("house", "street")))
    assert (found.breaks, found.added) == ([], ["lamp.light: street may call it."])
    assert judged(route({}, {}, who=[Role.ADMIN]), route({}, {})).breaks == []


def test_a_type_that_holds_itself_is_compared_to_its_end() -> None:
    class Tree(Struct):
        left: "Tree | None" = None
        name: str = ""

    class Grown(Struct):
        left: "Grown | None" = None
        name: int = 0

    globals().update(Tree=Tree, Grown=Grown)
    found = judged(event({"tree": Tree}), event({"tree": Grown})).breaks
    assert [line for line in found if "tree.name was string and is integer" in line]


def test_what_a_type_is_called_is_nobodys_business() -> None:
    found = judged(event({"bulb": struct("Bulb", {"name": str})}), event({"bulb": struct("Lamp", {"name": str})}))
    assert (found.breaks, found.added) == ([], [])
