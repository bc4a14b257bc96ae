"""A service as its callers reach it: a transport behind a circuit breaker.

What counts as a failure of a service is decided here, for the gateway and for internal calls alike.
"""

from collections.abc import Callable
from typing import TypeVar

from nextbuy.contracts.errors import BreakerOpen
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.wire import PROBLEM, Request, Response

Result = TypeVar("Result")


class Callee:
    """One service, for the gateway and for internal calls alike."""

    __slots__ = ("breaker", "name", "transport")

    def __init__(self, name: str, transport: Transport, breaker: Breaker) -> None:
        self.name = name
        self.transport = transport
        self.breaker = breaker

    async def exchange(self, request: Request, timeout: float, read: Callable[[Response], Result]) -> Result:
        """Deliver a request, return what `read` makes of the response, and report to the breaker.

        `read` raises BadGateway if the response is invalid; see `Transport.deliver` for the other arguments.

        Raises:
            BreakerOpen: the breaker refused the request; nothing was sent.
            Unavailable: no response, or an invalid one; `DeadlinePassed` and `BadGateway` among others.
        """
        try:
            permit = self.breaker.admit()
        except BreakerOpenError as error:
            raise BreakerOpen(
                f"The {self.name} service has failed too often. Try again later.", retry_after=error.retry_after
            ) from None
        try:
            response = await self.transport.deliver(request, timeout)
            result = read(response)
        except BaseException as error:
            if isinstance(error, Exception):
                permit.failure()
            else:
                permit.cancel()
            raise
        if response.status < 500 or _names_dependency(response):  # noqa: PLR2004
            permit.success()
        else:
            permit.failure()
        return result


def _names_dependency(response: Response) -> bool:
    """Return whether a 5xx is a problem document of a working service, which names an unavailable dependency.

    It does not count as a failure: an open breaker would also block the requests that the service can still answer.
    """
    return response.status != 500 and response.content_type == PROBLEM  # noqa: PLR2004
