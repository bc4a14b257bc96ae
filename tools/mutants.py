"""Mutants: change the rules in every way that mutmut knows, and plant the faults of faults.toml; tests must notice.

Mutants cover order's model and history and product's moderation. One that survives needs a reason in survivors.toml.
Planted faults cover what a mutation tool cannot reach: SQL, tables of transitions, locks. Both run on copies of the
tree.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tools.faults import Fault, faults
from tools.tokens import ROOT

SURVIVORS: Final = "tools/survivors.toml"
MIN_KILLED: Final = 95.0
"""Percent of all mutants."""
_KILLED: Final = {"killed", "timeout", "caught by type check"}
_COPIED: Final = ("src", "tests", "tools", "deploy", "pyproject.toml")
_JARS: Final = Path("var/kafka")
"""Shared by all copies, so that none downloads Kafka."""
_TESTS_FAILED: Final = 1
"""pytest's exit code when a test failed; any other means that the tests did not run."""
_MAX_FAULT_TIME: Final = 240.0
"""Seconds for the tests of one fault."""
_PROGRESS: Final = 20
"""Faults between two lines of progress."""

Change = tuple[str, str]
"""A function and the line that a mutant puts into it."""


def copy_tree(target: Path) -> Path:
    """Copy everything that the tests need, and return the copy."""
    target.mkdir()
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target / name)
    if (ROOT / _JARS).is_dir():
        (target / _JARS.parent).mkdir()
        (target / _JARS).symlink_to(ROOT / _JARS)
    return target


def reasons(root: Path) -> dict[Change, str]:
    """Return the reason for each mutant that may survive."""
    entries = tomllib.loads((root / SURVIVORS).read_text(encoding="utf-8"))["survivor"]
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
    statuses = dict(line.strip().rsplit(": ", 1) for line in mutmut("results", "--all", "true").splitlines())
    if not statuses or "not checked" in statuses.values():
        return [f"mutmut did not run: {output[-2000:]}"]
    alive = [name for name, status in statuses.items() if status not in _KILLED]
    killed = 100.0 * (len(statuses) - len(alive)) / len(statuses)
    print(f"{len(statuses)} mutants, {killed:.1f} % killed (at least {MIN_KILLED:.0f} %)", flush=True)
    survivors = [
        (name.partition("__mutmut_")[0].replace(".x_", "."), changed_line(mutmut("show", name))) for name in alive
    ]
    problems = unexplained(survivors, reasons(ROOT))
    if killed < MIN_KILLED:
        problems.append(f"{killed:.1f} % of the mutants are killed, which is less than {MIN_KILLED:.0f} %")
    return problems


def unexplained(survivors: list[Change], reasons: Mapping[Change, str]) -> list[str]:
    """Return one sentence per survivor without a reason, and per reason without a survivor."""
    return [
        *(
            f"survives without a reason: {function}: {line}"
            for function, line in survivors
            if not reasons.get((function, line))
        ),
        *(
            f"does not survive, remove its reason: {function}: {line}"
            for function, line in reasons
            if (function, line) not in survivors
        ),
    ]


def plant(tree: Path, fault: Fault) -> str | None:
    """Plant one fault in a tree, run its tests, remove it, and return the problem, if any."""
    path = tree / fault.file
    text = path.read_text(encoding="utf-8")
    if text.count(fault.old) != 1:
        return f"{fault.name}: {fault.file} does not contain the old text exactly once"
    path.write_text(text.replace(fault.old, fault.new), encoding="utf-8")
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:randomly"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *fault.tests],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=_MAX_FAULT_TIME,
        )
    except subprocess.TimeoutExpired:
        return f"{fault.name}: its tests did not end within {_MAX_FAULT_TIME:.0f} s"
    finally:
        path.write_text(text, encoding="utf-8")
    if done.returncode == 0:
        return f"{fault.name}: no test noticed it ({' '.join(fault.tests)})"
    if done.returncode != _TESTS_FAILED:
        return f"{fault.name}: its tests did not run: {done.stdout[-500:]}{done.stderr[-500:]}"
    return None


def run_faults(folder: Path, selected: str = "") -> list[str]:
    """Plant each fault whose name contains `selected`, two at a time, and return one sentence per problem."""
    planted = [fault for fault in faults(ROOT) if selected in fault.name]
    trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
    workers = 2
    for number in range(workers):
        trees.put(copy_tree(folder / f"faults-{number}"))

    def in_a_free_tree(fault: Fault) -> str | None:
        tree = trees.get()
        try:
            return plant(tree, fault)
        finally:
            trees.put(tree)

    problems = []
    with ThreadPoolExecutor(workers) as pool:
        for number, problem in enumerate(pool.map(in_a_free_tree, planted), 1):
            problems += [problem] if problem else []
            if number % _PROGRESS == 0 or number == len(planted):
                print(f"{number} of {len(planted)} faults planted, {number - len(problems)} noticed", flush=True)
    return problems


def main(selected: str = "") -> int:
    """Run everything, or only the planted faults with `selected` in their name; return the exit code."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nextbuy-mutants-") as name:
        folder = Path(name)
        problems = [] if selected else run_mutants(copy_tree(folder / "mutmut"))
        problems += run_faults(folder, selected)
    print(*problems, sep="\n", end="\n" if problems else "")
    print(f"{(time.monotonic() - start) / 60:.1f} minutes")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
