"""Minutes of generated requests to a whole marketplace: every answer is documented, and none is a 5xx.

All checks run but `positive_data_acceptance`, which calls every business rule a fault: data that fits its schema may
name a product that does not exist.

`make test-api` runs it. NEXTBUY_TEST_API_SECONDS is the time for all roles together; with 1500 it sends about 100,000
requests.
"""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from nextbuy.demo.catalogue import PASSWORD
from tests.demo_marketplace import demo_marketplace

SECONDS: Final = int(os.environ.get("NEXTBUY_TEST_API_SECONDS", "240"))
ROLES: Final = {
    "anyone": None,
    "buyer": "maya@demo.nextbuy.test",
    "seller": "ines@demo.nextbuy.test",
    "admin": "admin@demo.nextbuy.test",
}
SEED: Final = "21"
"""With one worker: `ast`, with which Hypothesis describes strategies, is not safe in threads on Python 3.11."""
_LOGOUT: Final = "/auth/api/logout"
"""Ends the session of the run, and is called by no role."""
_STREAMS: Final = "/(admin|notification)/api/stream"
"""Their answers end after a minute; `tests/journeys/test_streams.py` reads them."""

pytestmark = [pytest.mark.api, pytest.mark.timeout(SECONDS + 600)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Run a marketplace with its demo accounts, and return its URL."""
    with demo_marketplace() as url:
        yield url


def _token(url: str, email: str) -> str:
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{url}/auth/api/login", body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(json.load(answer)["access_token"])


@pytest.mark.parametrize("role", ROLES)
def test_every_answer_is_documented(url: str, role: str, tmp_path: Path) -> None:
    email = ROLES[role]
    headers = [] if email is None else ["--header", f"Authorization: Bearer {_token(url, email)}"]
    config = Path(__file__).parent / "schemathesis.toml"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "--no-color"),
        *(
            "run",
            f"{url}/openapi.json",
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
            "--exclude-path",
            _LOGOUT,
            "--exclude-path-regex",
            _STREAMS,
            "--warnings",
            "off",
        ),
        *("--seed", SEED, "--max-time", str(SECONDS // len(ROLES)), "--workers", "1", *headers),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    lines = [line[:300] for line in done.stdout.splitlines()]
    sys.stdout.write("\n".join(lines[-40:]) + "\n")
    assert done.returncode == 0, "\n".join(lines[-300:]) + done.stderr[-2_000:]
