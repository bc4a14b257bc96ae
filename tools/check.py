"""Run every check that is not a test, two at a time, and print what fails and one line per check."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# The longest first, so that a short one is started last.
CHECKS: dict[str, list[str]] = {
    "types": ["mypy", "--no-error-summary"],
    "duplicates": ["pylint", "--rcfile=tools/duplicates.ini", "src"],
    "walls": ["lint-imports"],
    "lint": ["ruff", "check", "--quiet", "."],
    "format": ["ruff", "format", "--check", "--quiet", "."],
    "dead code": ["python", "tools/dead_code.py"],
    "layout": ["python", "tools/layout.py"],
    "names": ["python", "-m", "tools.names"],
    "prose": ["python", "-m", "tools.prose"],
    "scripts": ["python", "-m", "tools.scripts"],
    "spelling": ["codespell", ".", ".ci", ".importlinter"],
    "documents": ["python", "-m", "tools.documents"],
    "settings": ["python", "-m", "tools.settings"],
    "messages": ["python", "-m", "tools.messages"],
    "contracts": ["python", "-m", "tools.contracts"],
    "faults": ["python", "-m", "tools.faults"],
}


def run(name: str) -> tuple[str, str, bool, float]:
    """Run one check; return its name, its output, whether it passed, and its seconds."""
    program, *arguments = CHECKS[name]
    started = time.monotonic()
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return name, done.stdout + done.stderr, done.returncode == 0, time.monotonic() - started


def main() -> int:
    """Run all checks; fail if one of them does."""
    passed = True
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, output, good, seconds in pool.map(run, CHECKS):
            passed &= good
            if not good:
                print(output.rstrip())
            print(f"{'ok ' if good else 'BAD'} {name} ({seconds:.1f} s)", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
