"""The marketplace installs and runs on each supported Python that this machine has; the suite runs on one of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest

from tests.ports import free_port

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(600)]

ROOT: Final = Path(__file__).resolve().parents[2]
OTHERS: Final = [f"3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]
START_TIMEOUT: Final = 120.0
"""Seconds. A first start creates the databases of all services."""
IMPORT_ALL: Final = """
import importlib, pkgutil, nextbuy
names = [module.name for module in pkgutil.walk_packages(nextbuy.__path__, "nextbuy.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def find_python(version: str) -> str | None:
    """Return an interpreter of this version on the PATH or of pyenv, if it can create environments."""
    candidates = [shutil.which(f"python{version}")]
    if pyenv := shutil.which("pyenv"):
        installed = run(pyenv, "versions", "--bare", check=False).split()
        candidates += [f"{run(pyenv, 'prefix', name).strip()}/bin/python" for name in installed if is_a(name, version)]
    program = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        if run(candidate, "-c", program, check=False).strip() == version:
            return candidate
    return None


def is_a(name: str, version: str) -> bool:
    """Return whether a version of pyenv, like `3.12.1`, belongs to a minor version, like `3.12`."""
    return name == version or name.startswith(f"{version}.")


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command outside of this environment and return its output."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("NEXTBUY_", "PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        command,
        cwd=tempfile.gettempdir(),
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets, which the user of PostgreSQL can read."""
    path = Path(tempfile.mkdtemp(prefix="nb-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def install(python: str, folder: Path) -> Path:
    """Install the locked packages and the project into a new environment; return its folder of programs."""
    run(python, "-m", "venv", folder / "venv")
    programs = folder / "venv" / "bin"
    pip: list[str | Path] = [programs / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    run(*pip, "--only-binary", ":all:", "--require-hashes", "-r", ROOT / "requirements.lock")
    run(*pip, "--no-deps", "--no-build-isolation", "--no-index", ROOT)
    return programs


@contextmanager
def marketplace(programs: Path, data: Path) -> Iterator[str]:
    """Run an empty marketplace, yield its URL once it is ready, and stop it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = data.with_suffix(".out")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [programs / "nextbuy", "up", "--empty", "--port", str(port), "--data", data],
            cwd=data.parent,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(30) == 0, log.read_text()
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def is_ready(url: str) -> bool:
    """Return whether every service of a marketplace is up."""
    with suppress(OSError):
        return bool(get(f"{url}/health/ready")["status"] == "ready")
    return False


def get(url: str) -> dict[str, Any]:
    """Request a URL and return its JSON."""
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310  an address of our own
        return dict(json.load(response))


@pytest.mark.parametrize("version", OTHERS)
def test_marketplace_runs_on_another_python(version: str, folder: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} not found")

    programs = install(python, folder)
    assert run(programs / "nextbuy", "--version").startswith("nextbuy 0.")
    assert int(run(programs / "python", "-c", IMPORT_ALL)) > 200

    with marketplace(programs, folder / "data") as url:
        assert get(f"{url}/health/version") == {"version": metadata.version("nextbuy")}
        assert get(f"{url}/product/api/get-all-products")["items"] == []
