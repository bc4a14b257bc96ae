"""Unused code is found; fields of structs and arguments of protocols are not reported."""

from pathlib import Path

from tools.dead_code import unused

ROOT = Path(__file__).resolve().parents[2]


def found(root: Path, text: str) -> list[str]:
    """Look for unused code in a project of one file, with this project's settings."""
    (root / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (root / "src").mkdir()
    (root / "src" / "shop.py").write_text(text)
    return unused(root)


def test_unused_function_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "def unused():\n    return 1\n") == ["src/shop.py:1: unused function 'unused'"]


def test_unused_variable_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "LIMIT = 3\n") == ["src/shop.py:1: unused variable 'LIMIT'"]


def test_field_and_argument_of_protocol_are_used(tmp_path: Path) -> None:
    text = (
        "class Line:\n    quantity: int\n\nclass Bus(Protocol):\n    def publish(self, messages): ...\n\n"
        "Line, Bus.publish\n"
    )
    assert found(tmp_path, text) == []
