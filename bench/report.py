"""Figures and their reports: rounds, medians, marks, a table, and JSON. Pure."""

from collections.abc import Sequence
from statistics import median
from typing import Final, Literal

import msgspec
from msgspec import Struct

_HEAD: Final = ("figure", "ours", "ceiling", "measured", "min-max", "mark", "")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values (0 to 1) do not exceed: the nearest rank.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        message = "no values have no percentile"
        raise ValueError(message)
    ordered = sorted(values)
    rank = max(1, -int(-share * len(ordered) // 1))
    return ordered[min(rank, len(ordered)) - 1]


class Mark(Struct, frozen=True):
    """A goal of a figure: at least or at most `value`."""

    kind: Literal["at least", "at most"]
    value: float

    def reached_by(self, value: float) -> bool:
        """Return whether a value reaches the goal."""
        return value >= self.value if self.kind == "at least" else value <= self.value


class Figure(Struct, frozen=True, kw_only=True):
    """A figure with its rounds, each compared with a round of the ceiling if the figure has one.

    `values` are compared with the mark, one per round: ours divided by the ceiling, or simply ours.
    """

    name: str
    unit: str
    ours: list[float]
    values: list[float]
    ceiling: list[float] = []
    mark: Mark | None = None
    judged_unit: str = "x"
    mix: str = ""
    """The measured requests, and how they were made."""
    ceiling_is: str = ""
    details: dict[str, float | str] = {}

    @property
    def value(self) -> float:
        """The median of `values`."""
        return median(self.values)

    @property
    def reached(self) -> bool | None:
        """Whether the median reaches the mark; None without a mark."""
        return None if self.mark is None else self.mark.reached_by(self.value)


def compared(  # noqa: PLR0913
    name: str,
    unit: str,
    rounds: Sequence[tuple[float, float]],
    *,
    mark: Mark | None,
    mix: str,
    ceiling_is: str,
    details: dict[str, float | str] | None = None,
) -> Figure:
    """Return a figure from rounds of ceiling and ours in turn; its values are their ratios."""
    return Figure(
        name=name,
        unit=unit,
        ours=[ours for _, ours in rounds],
        ceiling=[ceiling for ceiling, _ in rounds],
        values=[ours / ceiling if ceiling else 0.0 for ceiling, ours in rounds],
        mark=mark,
        mix=mix,
        ceiling_is=ceiling_is,
        details=details or {},
    )


def shown(number: float) -> str:
    """Format a number with three significant digits and thousands separators."""
    if number == 0:
        return "0"
    if abs(number) >= 100:  # noqa: PLR2004
        return f"{number:,.0f}"
    return f"{number:.3g}"


def row(figure: Figure) -> tuple[str, ...]:
    """Return the cells of the row of a figure."""
    unit = "" if figure.judged_unit == "x" else f" {figure.judged_unit}"
    mark = figure.mark
    sign = {None: "", True: "✓", False: "✗"}[figure.reached]
    return (
        figure.name,
        f"{shown(median(figure.ours))} {figure.unit}",
        f"{shown(median(figure.ceiling))} {figure.unit}" if figure.ceiling else "",
        f"{shown(figure.value)}{unit or ' x'}",
        f"{shown(min(figure.values))}-{shown(max(figure.values))}",
        "" if mark is None else f"{'>=' if mark.kind == 'at least' else '<='} {shown(mark.value)}{unit}",
        sign,
    )


def table(figures: Sequence[Figure]) -> str:
    """Format figures as a table in plain text."""
    rows = [_HEAD, *(row(figure) for figure in figures)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def notes(figures: Sequence[Figure]) -> str:
    """Format a paragraph per figure: requests, ceiling, and other measurements."""
    paragraphs = []
    for figure in figures:
        lines = [figure.name]
        if figure.mix:
            lines.append(f"  requests: {figure.mix}")
        if figure.ceiling_is:
            lines.append(f"  ceiling:  {figure.ceiling_is}")
        if figure.details:
            seen = "; ".join(
                f"{name} {value if isinstance(value, str) else shown(value)}" for name, value in figure.details.items()
            )
            lines.append(f"  other:    {seen}")
        paragraphs.append("\n".join(lines))
    return "\n".join(paragraphs)


def as_json(figures: Sequence[Figure], machine: dict[str, str | float | int], *, seconds: float) -> bytes:
    """Encode the whole run as JSON."""
    rows = [{**msgspec.structs.asdict(figure), "value": figure.value, "reached": figure.reached} for figure in figures]
    run = {"machine": machine, "seconds": round(seconds, 1), "figures": rows}
    return msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"
