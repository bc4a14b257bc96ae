"""The coverage floors."""

from tests.coverage_floors import FLOORS, percentages


def summary(covered: int, total: int) -> dict[str, dict[str, int]]:
    return {
        "summary": {
            "covered_lines": covered,
            "num_statements": total,
            "covered_branches": covered,
            "num_branches": total,
        }
    }


def test_each_part_has_its_own_percentage() -> None:
    report = {
        "files": {
            "src/nextbuy/kit/wire.py": summary(90, 100),
            "src/nextbuy/order/model.py": summary(100, 100),
            "src/nextbuy/contracts/order.py": summary(100, 100),
        }
    }

    found = percentages(report)

    assert found == {
        "src/nextbuy/": 100 * 290 / 300,
        "src/nextbuy/contracts/": 100,
        "src/nextbuy/kit/": 90,
        "*/model.py": 100,
    }
    assert [part for part, percent in found.items() if percent < FLOORS[part]] == ["src/nextbuy/kit/"]
