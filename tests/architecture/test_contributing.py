"""CONTRIBUTING has one real code sample for each "Add a …", and each still stands in its file, word for word."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SUBJECTS = ("use case", "call between services", "event", "handler", "service", "setting", "migration")
_SECTION = re.compile(r"^## Add an? (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_SAMPLE = re.compile(r"(?:^`([^`\n]+)`\n+)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def problems(text: str, root: Path) -> list[str]:
    """Return the sections without a sample, the samples without a file, and those that differ from their file."""
    sections = dict(_SECTION.findall(text))
    found = [
        f"no sample of how to add: {subject}"
        for subject in SUBJECTS
        if not any(path for path, _, _ in _SAMPLE.findall(sections.get(subject, "")))
    ]
    for path, language, code in _SAMPLE.findall(text):
        first = code.partition("\n")[0].strip()
        if not path and language != "sh":
            found.append(f"no file named above: {first}")
        elif path and not (root / path).is_file():
            found.append(f"{path} does not exist")
        elif path and f"\n{code}" not in f"\n{(root / path).read_text(encoding='utf-8')}":
            found.append(f"{path} has changed: {first}")
    return found


def test_each_sample_stands_in_its_file() -> None:
    assert problems((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), ROOT) == []


def test_planted_changes_are_found(tmp_path: Path) -> None:
    (tmp_path / "act.py").write_text("import os\n\ndef act() -> None:\n    os.sync()\n")
    sample = "`act.py`\n\n```python\ndef act() -> None:\n    os.sync()\n```\n"
    text = "".join(f"## Add a {subject}\n\n{sample}\n" for subject in SUBJECTS)
    assert problems(text, tmp_path) == []

    assert problems(text.replace("## Add a handler", "## Handlers"), tmp_path) == ["no sample of how to add: handler"]
    assert problems(text + sample.replace("`act.py`", "Like this:"), tmp_path) == [
        "no file named above: def act() -> None:"
    ]
    assert problems(text + sample.replace("act.py", "gone.py"), tmp_path) == ["gone.py does not exist"]
    assert problems(text + sample.replace("sync()", "nice(1)"), tmp_path) == ["act.py has changed: def act() -> None:"]
    (tmp_path / "act.py").write_text("import os\n\ndef act() -> None:\n    os.nice(1)\n")
    assert problems(text, tmp_path) == ["act.py has changed: def act() -> None:"] * len(SUBJECTS)
