"""Processes that do not start."""

from pathlib import Path

import pytest

from nextbuy.host import supervisor
from nextbuy.host.running import CannotRun
from nextbuy.host.supervisor import Supervisor
from nextbuy.kit.config import Settings
from tests.ports import free_port


async def test_process_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_START_TIMEOUT", 0.2)
    urls = {"product": f"http://127.0.0.1:{free_port()}"}
    processes = Supervisor(Settings(secret=b"s" * 16, data=tmp_path, service_urls=urls), demo=False)

    try:
        with pytest.raises(CannotRun, match=r"The process product did not start .*nextbuy\.log for the cause"):
            await processes.start(["product"])
    finally:
        await processes.stop()
