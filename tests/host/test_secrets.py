import os
import stat
from pathlib import Path

import pytest

from nextbuy.host.secrets import installation_secret


@pytest.fixture
def _usual_umask() -> None:
    os.umask(0o022)


@pytest.mark.usefixtures("_usual_umask")
def test_data_folder_and_secret_are_private(tmp_path: Path) -> None:
    installation_secret(tmp_path / "data")
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "data" / "secret").stat().st_mode) == 0o600
