"""Code that nothing uses is found, and what only looks unused is not."""

from pathlib import Path

from tools.dead_code import unused

ROOT = Path(__file__).resolve().parents[2]


def found(root: Path, text: str) -> list[str]:
    """What is found in a project of one file, under this project's settings."""
    (root / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (root / "src").mkdir()
    (root / "src" / "shop.py").write_text(text)
    return unused(root)


def test_a_function_that_nothing_calls_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "def forgotten():\n    return 1\n") == ["src/shop.py:1: unused function 'forgotten'"]


def test_a_name_that_nothing_reads_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "LIMIT = 3\n") == ["src/shop.py:1: unused variable 'LIMIT'"]


def test_a_field_and_a_protocol_s_argument_only_look_unused(tmp_path: Path) -> None:
    text = (
        "class Line:\n    quantity: int\n\nclass Bus(Protocol):\n    def publish(self, packets): ...\n\n"
        "Line, Bus.publish\n"
    )
    assert found(tmp_path, text) == []
