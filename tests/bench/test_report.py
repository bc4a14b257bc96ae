import msgspec
import pytest

from bench.report import Figure, Mark, as_json, compared, notes, percentile, shown, table


def test_percentile_is_measured_value() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.0) == 1.0
    assert percentile([7.0], 0.99) == 7.0


def test_99th_percentile_of_hundred_excludes_worst() -> None:
    assert percentile([float(n) for n in range(1, 101)], 0.99) == 99.0


def test_percentile_needs_values() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def _figure(rounds: list[tuple[float, float]], mark: Mark | None) -> Figure:
    return compared(
        "a read", "/s", rounds, mark=mark, mix="all of it", ceiling_is="nothing at all", details={"p99 ms": 4.0}
    )


def test_round_is_compared_with_its_ceiling() -> None:
    figure = _figure([(100.0, 50.0), (10.0, 6.0), (1000.0, 400.0)], Mark("at least", 0.5))
    assert figure.values == [0.5, 0.6, 0.4]
    assert figure.value == 0.5
    assert figure.reached is True


def test_mark_is_lower_or_upper_bound() -> None:
    assert Mark("at least", 0.5).reached_by(0.5)
    assert not Mark("at least", 0.5).reached_by(0.49)
    assert Mark("at most", 50).reached_by(50)
    assert not Mark("at most", 50).reached_by(50.1)


def test_figure_without_mark_is_not_judged() -> None:
    assert _figure([(2.0, 1.0)], None).reached is None


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (12_345.6, "12,346"), (0.1337, "0.134"), (2.5, "2.5"), (99.94, "99.9")]
)
def test_numbers_have_three_significant_digits(number: float, text: str) -> None:
    assert shown(number) == text


def test_table_has_ours_ceiling_ratio_and_mark() -> None:
    text = table([_figure([(100.0, 50.0)], Mark("at least", 0.5)), _figure([(100.0, 4.0)], Mark("at least", 0.1))])
    lines = text.splitlines()
    assert lines[2].split() == ["a", "read", "50", "/s", "100", "/s", "0.5", "x", "0.5-0.5", ">=", "0.5", "✓"]
    assert lines[3].endswith("✗")
    assert len({line.index("ceiling") if "ceiling" in line else lines[0].index("ceiling") for line in lines}) == 1


def test_notes_have_requests_and_ceiling() -> None:
    text = notes([_figure([(2.0, 1.0)], None)])
    assert "all of it" in text
    assert "nothing at all" in text
    assert "p99 ms 4" in text


def test_json_has_every_round() -> None:
    run = msgspec.json.decode(as_json([_figure([(2.0, 1.0), (4.0, 3.0)], None)], {"cores": 2}, seconds=1.23))
    assert run["machine"] == {"cores": 2}
    assert run["figures"][0]["ours"] == [1.0, 3.0]
    assert run["figures"][0]["value"] == 0.625
