"""A service as its callers reach it: a transport behind a circuit breaker."""

from nextbuy.contracts.errors import AppError, BreakerOpen, Unavailable
from nextbuy.kit.http.asgi import Disconnected
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError
from nextbuy.kit.rpc.transports import BodyStream, Transport
from nextbuy.kit.wire import PROBLEM, Request, Response


class Callee:
    """One service, for the gateway and for internal calls alike."""

    __slots__ = ("breaker", "name", "transport")

    def __init__(self, name: str, transport: Transport, breaker: Breaker) -> None:
        self.name = name
        self.transport = transport
        self.breaker = breaker

    async def exchange(self, request: Request, timeout: float, body: BodyStream | None = None) -> Response:
        """Deliver a request, and report to the breaker whether the service works; see `Transport.deliver`.

        Raises:
            BreakerOpen: the breaker refused the request; nothing was sent.
            Unavailable: no response; `DeadlinePassed` and `BadGateway` among others.
        """
        try:
            permit = self.breaker.admit()
        except BreakerOpenError as error:
            raise BreakerOpen(
                f"The {self.name} service has failed too often. Try again later.", retry_after=error.retry_after
            ) from None
        try:
            response = await self.transport.deliver(request, timeout, body)
        except BaseException as error:
            if isinstance(error, Exception) and not _is_clients_fault(error):
                permit.failure()
            else:
                permit.cancel()
            raise
        if response.status < 500 or _names_dependency(response):  # noqa: PLR2004
            permit.success()
        else:
            permit.failure()
        return response


def _names_dependency(response: Response) -> bool:
    """Return whether a 5xx is a problem document of a working service, which names an unavailable dependency.

    It does not count as a failure: an open breaker would also block the requests that the service can still answer.
    """
    return response.status != 500 and response.content_type == PROBLEM  # noqa: PLR2004


def _is_clients_fault(error: Exception) -> bool:
    """Return whether the client ended the exchange: its body was too large or too slow, or it disconnected."""
    return isinstance(error, Disconnected) or (isinstance(error, AppError) and not isinstance(error, Unavailable))
