"""The history of contracts is true of the code, and the command says what to do where it is not."""

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from msgspec import Meta

from nextbuy.contracts.order import OrderCreated
from tests.contracts.forms import event, struct
from tools import contracts

Json = dict[str, Any]


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that may be changed."""
    copy = tmp_path / "history.json"
    copy.write_text(contracts.HISTORY.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(contracts, "HISTORY", copy)
    monkeypatch.setattr(contracts, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.0"\n')
    return copy


def changed(path: Path, act: Any) -> None:  # noqa: ANN401
    content = json.loads(path.read_text(encoding="utf-8"))
    act(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_the_history_has_what_the_code_says(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (contracts.main([]), capsys.readouterr().out) == (0, "")


def test_a_field_that_was_agreed_and_is_gone_is_told_with_who_reads_it(
    history: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def once_more(content: Json) -> None:
        content["types"]["OrderCreated"]["properties"]["coupon"] = {"type": "string"}

    changed(history, once_more)
    before = history.read_text(encoding="utf-8")
    assert contracts.main(["--accept"]) == 1
    told = capsys.readouterr().out
    assert told.startswith("order.created: coupon is gone. kafka (")
    assert "count-events" in told
    assert told.count("\n") == 1
    assert history.read_text(encoding="utf-8") == before


def test_what_is_added_is_refused_until_it_is_accepted(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def without(content: Json) -> None:
        del content["events"]["order.paid"]
        del content["types"]["Account"]["properties"]["name"]

    changed(history, without)
    assert contracts.main([]) == 1
    told = capsys.readouterr().out.splitlines()
    assert "order.paid is there." in told
    assert "auth.validate-seller: the answer's name." in told
    assert told[-1].endswith("To accept it: make contracts")
    assert contracts.main(["--accept"]) == 0
    assert contracts.main([]) == 0
    versions = json.loads(history.read_text(encoding="utf-8"))["calls"]["auth.validate-seller"]["versions"]
    assert versions[-1] == {"version": 2, "since": "9.0", "added": ["the answer's name"]}


def test_event_field_without_description_is_refused() -> None:
    lit = event({"room": str})
    assert contracts.undescribed([OrderCreated]) == []
    assert contracts.undescribed([lit]) == [
        "lamp.lit: lamp_id has no description. Add one: lamp_id: Annotated[…, Meta(description=…)].",
        "lamp.lit: room has no description. Add one: room: Annotated[…, Meta(description=…)].",
    ]


def test_an_example_fits_its_type_or_the_type_says_one() -> None:
    code = Annotated[str, Meta(pattern="^[A-Z]-[0-9]$")]
    assert contracts.unfit([struct("Bulb", {"code": Annotated[code, Meta(examples=["B-1"])]}), OrderCreated]) == []
    told = contracts.unfit([struct("Bulb", {"code": code})])
    assert len(told) == 1
    assert told[0].startswith("Bulb: its example does not fit (Expected `str` matching regex")
    assert told[0].endswith("Say one in the type: Meta(examples=[…]).")


def test_a_history_that_a_merge_left_marks_in_says_so(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.write_text("<<<<<<< HEAD\n{}", encoding="utf-8")
    assert contracts.main([]) == 1
    assert "Take it from the main branch" in capsys.readouterr().out
