"""The faults that `make mutants` plants; check that each still fits the code and its tests exist.

A fault replaces `old`, which its `file` holds exactly once, by `new`; at least one of its `tests` must then fail.
"""

import sys
import tomllib
from pathlib import Path
from typing import Final

from msgspec import Struct, convert

from tools.tokens import ROOT

LIST: Final = "tools/faults.toml"
MIN_FAULTS: Final = 60


class Fault(Struct, frozen=True, forbid_unknown_fields=True):
    """A fault, and the tests that notice it: files, or single tests as `file::name`."""

    name: str
    file: str
    old: str
    new: str
    tests: list[str]


def faults(root: Path) -> list[Fault]:
    """Return the faults in a tree's list."""
    return convert(tomllib.loads((root / LIST).read_text(encoding="utf-8"))["fault"], list[Fault])


def problems(root: Path, *, min_faults: int = MIN_FAULTS) -> list[str]:
    """Return one line for each fault that does not fit the code or names a missing test, and one for a short list."""
    known = faults(root)
    found = [f"{LIST}: {fault.name}: {problem}" for fault in known for problem in _problems(root, fault)]
    names = [fault.name for fault in known]
    found += [f"{LIST}: {name}: listed twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if len(known) < min_faults:
        found.append(f"{LIST}: too few faults ({len(known)}). List at least {min_faults}.")
    return found


def _problems(root: Path, fault: Fault) -> list[str]:
    count = _read(root / fault.file).count(fault.old)
    found = []
    if count != 1:
        found.append(
            f"{fault.file} contains the old text {count} times. Update the fault: the text must be there once."
        )
    if fault.new == fault.old or not fault.tests:
        found.append("changes nothing, or has no tests")
    for test in fault.tests:
        file, _, name = test.partition("::")
        if not _read(root / file) or (name and f"def {name.partition('[')[0]}(" not in _read(root / file)):
            found.append(f"the test {test} does not exist. Name the test that notices the fault.")
    return found


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main() -> int:
    """Print the problems of the list; fail if there is one."""
    found = problems(ROOT)
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
