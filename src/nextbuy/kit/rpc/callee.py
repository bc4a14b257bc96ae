"""A service as its callers reach it: a transport behind a circuit breaker.

What counts as a failure of a service is decided here, for the gateway and for internal calls alike.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from nextbuy.contracts.errors import BadGateway, BreakerOpen, DeadlinePassed
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.service_identity import ServiceIdentityRequired
from nextbuy.kit.wire import PROBLEM, Request, Response

Result = TypeVar("Result")
_UNAUTHENTICATED: Final = 401
_REFUSED_SIGNATURE: Final = f'"{ServiceIdentityRequired.slug}"'.encode()

SignatureRefused: Final = BadGateway.of(
    "signature-refused",
    "A service refused the signature of an internal request. Try again later. Operators: all processes need the same "
    "NEXTBUY_SECRET, and clocks that differ by less than a minute.",
)


class Callee:
    """One service, for the gateway and for internal calls alike."""

    __slots__ = ("breaker", "name", "transport")

    def __init__(self, name: str, transport: Transport, breaker: Breaker) -> None:
        self.name = name
        self.transport = transport
        self.breaker = breaker

    async def exchange(
        self, request: Request, timeout: float, read: Callable[[Response], Result], *, has_retry: bool = False
    ) -> Result:
        """Deliver a request, return what `read` makes of the response, and report to the breaker.

        `read` raises BadGateway if the response is invalid; see `Transport.deliver` for the other arguments. With
        `has_retry`, the attempt is cut short to leave time for a retry, so a timeout does not show that the service
        fails: otherwise a pause of a second would open the breaker before the first retry.

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
            if response.status == _UNAUTHENTICATED and _REFUSED_SIGNATURE in response.body:
                raise SignatureRefused
            result = read(response)
        except BaseException as error:
            if isinstance(error, Exception) and not (has_retry and isinstance(error, DeadlinePassed)):
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
