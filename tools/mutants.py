"""Mutants: break the rules in every way that mutmut knows, and plant the faults of faults.toml; tests must notice.

Mutants cover order's model and history and moderation. A mutant that survives needs a reason in survivors.toml. Planted
faults cover what a mutation tool cannot reach: SQL, tables of transitions, locks. Both run on a copy of the tree.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
FAULTS: Final = Path(__file__).with_name("faults.toml")
SURVIVORS: Final = Path(__file__).with_name("survivors.toml")
MIN_KILLED: Final = 90.0
"""Percent of all mutants."""
_COPIED: Final = ("src", "tests", "tools", "bench", "pyproject.toml", "docs", "README.md", "Makefile")
_TESTS_FAILED: Final = 1
"""pytest's exit code when a test failed; any other means that the tests did not run."""
_MAX_FAULT_TIME: Final = 240.0
"""Seconds for the tests of one fault."""

Change = tuple[str, str]
"""A function and the line that a mutant puts into it."""


def copy_tree(target: Path) -> None:
    """Copy everything that the tests need."""
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)


def explained(path: Path) -> dict[Change, str]:
    """Return the reason for each mutant that may survive."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]
    return {(one["function"], one["line"]): one["reason"] for one in entries}


def changed_line(diff: str) -> str:
    """Return the lines that a diff adds, without their indentation."""
    return " ".join(line[1:].strip() for line in diff.splitlines() if line.startswith("+") and line[:3] != "+++")


def run_mutants(tree: Path) -> list[str]:
    """Run mutmut in a copy of the tree, and return one sentence per problem."""

    def mutmut(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", *arguments], cwd=tree, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    output = mutmut("run", "--max-children", str(os.cpu_count() or 1))
    statuses = [line.strip().partition(": ")[::2] for line in mutmut("results", "--all", "true").splitlines()]
    alive = [name for name, status in statuses if status in {"survived", "no tests", "suspicious"}]
    if not statuses:
        return [f"mutmut did not run: {output[-2000:]}"]
    killed = 100.0 * (len(statuses) - len(alive)) / len(statuses)
    print(
        f"{len(statuses)} mutants, {killed:.1f} % killed (floor {MIN_KILLED:.0f} %), {len(alive)} survive", flush=True
    )
    reasons, problems = explained(SURVIVORS), []
    for name in alive:
        function, line = name.partition("__mutmut_")[0].replace(".x_", "."), changed_line(mutmut("show", name))
        if reasons.pop((function, line), None) is None:
            problems.append(f"survives without a reason: {function}: {line}")
    problems += [f"does not survive, remove its reason: {function}: {line}" for function, line in reasons]
    if killed < MIN_KILLED:
        problems.append(f"{killed:.1f} % of the mutants are killed, which is less than {MIN_KILLED:.0f} %")
    return problems


def plant(tree: Path, fault: dict[str, str]) -> str | None:
    """Plant one fault in a tree, run its tests, take the fault out, and return the problem, if any."""
    path = tree / fault["file"]
    text = path.read_text(encoding="utf-8")
    if text.count(fault["old"]) != 1:
        return f"{fault['name']}: {fault['file']} does not hold the old text exactly once"
    path.write_text(text.replace(fault["old"], fault["new"]), encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *fault["tests"].split()],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_MAX_FAULT_TIME,
        )
    finally:
        path.write_text(text, encoding="utf-8")
    if done.returncode == 0:
        return f"{fault['name']}: no test noticed it ({fault['tests']})"
    if done.returncode != _TESTS_FAILED:
        return f"{fault['name']}: its tests did not run: {done.stdout[-500:]}{done.stderr[-500:]}"
    return None


def run_faults(folder: Path, selected: str = "") -> list[str]:
    """Plant each fault whose name contains `selected`, two at a time, and return one sentence per problem."""
    faults = [one for one in tomllib.loads(FAULTS.read_text(encoding="utf-8"))["fault"] if selected in one["name"]]
    trees = [folder / f"faults-{number}" for number in range(2)]
    for tree in trees:
        tree.mkdir()
        copy_tree(tree)

    def share(number: int) -> list[str]:
        return [problem for fault in faults[number::2] if (problem := plant(trees[number], fault))]

    with ThreadPoolExecutor(len(trees)) as pool:
        problems = [problem for part in pool.map(share, range(len(trees))) for problem in part]
    print(f"{len(faults)} planted faults, {len(faults) - len(problems)} noticed", flush=True)
    return problems


def main(selected: str = "") -> int:
    """Run everything, or only the planted faults with `selected` in their name; return the exit code."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nextbuy-mutants-") as name:
        folder = Path(name)
        problems = []
        if not selected:
            copy_tree(folder / "mutmut")
            problems += run_mutants(folder / "mutmut")
        problems += run_faults(folder, selected)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{(time.monotonic() - start) / 60:.1f} minutes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
