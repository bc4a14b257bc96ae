"""The event that every service publishes when an operator changes something: who did what to what, and why.

A topic has one publisher, so each service has a topic of its own.
"""

from functools import cache
from typing import Annotated, Any, Final
from uuid import UUID

from msgspec import Meta

from nextbuy.contracts.message import Event
from nextbuy.contracts.values import ReasonText

OPERATED: Final = ("analytics", "auth", "kafka", "notification", "order", "product", "seller", "simulator")
"""The services in which operators change something."""
MAX_DETAIL: Final = 500
"""Characters of a detail; a longer one is cut."""
MAX_STATE: Final = 100


class OperatorActed(Event):
    """An operator has changed something."""

    act_id: Annotated[UUID, Meta(description="The entry in the audit log.")]
    actor: Annotated[
        str,
        Meta(
            max_length=255,
            description="The account of the operator, or `terminal:` and a user of the operating system.",
        ),
    ]
    action: Annotated[str, Meta(max_length=100, description="The action.", examples=["suspend-account"])]
    subject: Annotated[str, Meta(max_length=255, description="The id of the changed thing, or the kind of several.")]
    before: Annotated[str, Meta(max_length=MAX_STATE, description="Its state before, or empty.")]
    after: Annotated[str, Meta(max_length=MAX_STATE, description="Its state after, or empty.")]
    reason: Annotated[ReasonText, Meta(description="The reason, in the operator's words, or empty.")]
    details: Annotated[
        dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=MAX_DETAIL)]],
        Meta(max_length=20, description="What else the audit log of the service has."),
    ]


@cache
def operator_acted_of(service: str) -> type[OperatorActed]:
    """Return the event of a service."""
    metaclass: Any = type(OperatorActed)
    made: type[OperatorActed] = metaclass(
        f"OperatorActedIn{service.title()}",
        (OperatorActed,),
        {"__doc__": OperatorActed.__doc__, "__module__": __name__},
        topic=f"operator.acted.{service}",
        key="act_id",
    )
    return made


OPERATOR_EVENTS: Final = tuple(map(operator_acted_of, OPERATED))
