"""The machine: its description, the core of a process, and the memory of a process tree."""

import contextlib
import os
import platform
import time
from pathlib import Path
from typing import Final

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
_MIB: Final = 1024


def described() -> dict[str, str | float | int]:
    """Return the properties that figures depend on: cores, model, Python, and the load before the run."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cores": os.cpu_count() or 1,
        "cpu": model,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def can_pin(core: int) -> bool:
    """Return whether a core is available and processes can be pinned to it."""
    return hasattr(os, "sched_setaffinity") and core in os.sched_getaffinity(0)


def pin(pid: int, core: int) -> None:
    """Pin a process (0: this one) with all its threads to one core, if that is possible."""
    if not can_pin(core):
        return
    for path in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(int(path.name), {core})


def cpu_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has used; 0 if unknown."""
    with contextlib.suppress(OSError):
        return ticks_in(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")) / os.sysconf(
            "SC_CLK_TCK"
        )
    return 0.0


def ticks_in(stat: str) -> int:
    """Return the clock ticks of `/proc/PID/stat`, in user and kernel mode."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with contextlib.suppress(OSError):
                parents.setdefault(parent_in((path / "stat").read_text(encoding="utf-8", errors="replace")), []).append(
                    int(path.name)
                )
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(parents.get(pid, ()))
    return found


def parent_in(stat: str) -> int:
    """Return the parent in `/proc/PID/stat`; the name of the process, in brackets, may contain any character."""
    return int(stat.rpartition(")")[2].split()[1])


def pss_in(smaps_rollup: str) -> int:
    """Return the proportional set size (KiB) of `smaps_rollup`: shared pages are divided among their processes."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def memory_of_tree(root: int) -> dict[str, float]:
    """Return the MiB of a process and its descendants, by program."""
    found: dict[str, float] = {}
    for pid in tree(root):
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{pid}")
            kib = pss_in((folder / "smaps_rollup").read_text(encoding="utf-8"))
            name = (folder / "comm").read_text(encoding="utf-8").strip()
            found[name] = found.get(name, 0.0) + kib / _MIB
    return found
