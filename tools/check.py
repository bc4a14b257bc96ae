"""Every check that is no test, two at a time; says what is wrong and nothing else, then one line for each check."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# The longest come first, so that the last to start is a short one.
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
    "contracts": ["python", "-m", "tools.contracts"],
}


def run(name: str) -> tuple[str, str, bool, float]:
    """Runs one check: its name, what it said, whether it passed, and its seconds."""
    program, *arguments = CHECKS[name]
    began = time.monotonic()
    done = subprocess.run(
        [BIN / program, *arguments],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return name, done.stdout + done.stderr, done.returncode == 0, time.monotonic() - began


def main() -> int:
    """Runs all checks, and says with its exit code whether all passed."""
    passed = True
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, said, good, seconds in pool.map(run, CHECKS):
            passed &= good
            if not good:
                print(said.rstrip())
            print(f"{'ok ' if good else 'BAD'} {name} ({seconds:.1f} s)", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
