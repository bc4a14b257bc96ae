"""Preparing databases on a server that NextBuy cannot use."""

from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from nextbuy.host.databases import prepare
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError


class OldServer:
    """A connection to PostgreSQL 15."""

    def get_server_version(self) -> Any:  # noqa: ANN401  as asyncpg's
        return SimpleNamespace(major=15)

    async def close(self) -> None: ...


async def test_old_postgres_is_refused_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(_url: str, **_options: object) -> OldServer:
        return OldServer()

    monkeypatch.setattr(asyncpg, "connect", connect)

    with pytest.raises(ConfigError) as refused:
        await prepare(Settings(secret=b"secret", postgres_url="postgresql://old"), ["auth"])

    assert str(refused.value) == (
        "PostgreSQL 15 is too old; NextBuy needs 17 or newer. Unset NEXTBUY_POSTGRES_URL to use the built-in server."
    )
