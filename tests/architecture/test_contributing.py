"""CONTRIBUTING has a real code sample for each "Add a …", and each sample stands literally in its file."""

from pathlib import Path

from tools.documents import CONTRIBUTING, SUBJECTS, stale_samples
from tools.tokens import ROOT


def test_each_sample_stands_in_its_file() -> None:
    assert stale_samples((ROOT / CONTRIBUTING).read_text(encoding="utf-8"), ROOT) == []


def test_planted_changes_are_found(tmp_path: Path) -> None:
    (tmp_path / "act.py").write_text("import os\n\ndef act() -> None:\n    os.sync()\n")
    sample = "`act.py`\n\n```python\ndef act() -> None:\n    os.sync()\n```\n"
    text = "".join(f"## Add a {subject}\n\n{sample}\n" for subject in SUBJECTS)
    assert stale_samples(text, tmp_path) == []

    assert stale_samples(text.replace("## Add a subscription", "## Subscriptions"), tmp_path) == [
        "no sample of how to add: subscription"
    ]
    assert stale_samples(text + sample.replace("`act.py`", "Like this:"), tmp_path) == [
        "no file named above: def act() -> None:"
    ]
    assert stale_samples(text + sample.replace("act.py", "gone.py"), tmp_path) == ["gone.py does not exist"]
    assert stale_samples(text + sample.replace("sync()", "nice(1)"), tmp_path) == [
        "act.py has changed; update the quoted code: def act() -> None:"
    ]
    (tmp_path / "act.py").write_text("import os\n\ndef act() -> None:\n    os.nice(1)\n")
    assert stale_samples(text, tmp_path) == ["act.py has changed; update the quoted code: def act() -> None:"] * len(
        SUBJECTS
    )
