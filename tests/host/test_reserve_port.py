"""The supervisor's reservation of service ports."""

import socket

import pytest

from nextbuy.host.supervisor import reserve_port
from nextbuy.kit.http.server import listen


def test_reserved_port_is_refused_to_others_and_shared_with_its_service() -> None:
    with reserve_port() as holder:
        host, port = holder.getsockname()

        with pytest.raises(OSError, match="in use"):
            listen(host, port)
        for _ in range(2):  # a service and, after its end, its successor
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port), timeout=5)
            with listen(host, port, reuse_port=True):
                socket.create_connection((host, port), timeout=5).close()
