"""The history of contracts matches the code, and the command names the remedy if it does not."""

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
    """A copy of the history, which a test may change."""
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


def versions(path: Path, call: str) -> list[Json]:
    entry: dict[str, list[Json]] = json.loads(path.read_text(encoding="utf-8"))["calls"][call]
    return entry["versions"]


def test_history_matches_code(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (contracts.main([]), capsys.readouterr().out) == (0, "")


def test_removed_field_is_reported_with_its_readers(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def with_coupon(content: Json) -> None:
        content["types"]["OrderCreated"]["properties"]["coupon"] = {"type": "string"}

    changed(history, with_coupon)
    before = history.read_text(encoding="utf-8")
    assert contracts.main(["--accept"]) == 1
    output = capsys.readouterr().out
    assert output.startswith(
        "order.created: coupon was removed. admin (create-notification, update-search-index), analytics ("
    )
    assert "project-daily-figures" in output
    assert output.count("\n") == 1
    assert history.read_text(encoding="utf-8") == before


def test_addition_is_refused_until_accepted(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def without(content: Json) -> None:
        del content["events"]["order.paid"]
        del content["types"]["Account"]["properties"]["name"]

    before = versions(history, "auth.validate-seller")
    changed(history, without)
    assert contracts.main([]) == 1
    output = capsys.readouterr().out.splitlines()
    assert "order.paid is new." in output
    assert "auth.validate-seller: the reply's name." in output
    assert output[-1].endswith("Accept them with `make contracts`.")
    assert contracts.main(["--accept"]) == 0
    assert contracts.main([]) == 0
    added = {"version": before[-1]["version"] + 1, "since": "9.0", "added": ["the reply's name"]}
    assert versions(history, "auth.validate-seller") == [*before, added]


def test_event_field_without_description_is_refused() -> None:
    lit = event({"room": str})
    assert contracts.undescribed([OrderCreated]) == []
    assert contracts.undescribed([lit]) == [
        "lamp.lit: lamp_id has no description. Add one: lamp_id: Annotated[…, Meta(description=…)].",
        "lamp.lit: room has no description. Add one: room: Annotated[…, Meta(description=…)].",
    ]


def test_example_must_be_valid() -> None:
    code = Annotated[str, Meta(pattern="^[A-Z]-[0-9]$")]
    assert contracts.unfit([struct("Bulb", {"code": Annotated[code, Meta(examples=["B-1"])]}), OrderCreated]) == []
    output = contracts.unfit([struct("Bulb", {"code": code})])
    assert len(output) == 1
    assert output[0].startswith("Bulb: its example is invalid (Expected `str` matching regex")
    assert output[0].endswith("Add one to the type: Meta(examples=[…]).")


def test_history_with_conflict_marks_is_reported(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    history.write_text("<<<<<<< HEAD\n{}", encoding="utf-8")
    assert contracts.main([]) == 1
    assert "Restore it from main" in capsys.readouterr().out
