"""Lies that cannot be refuted: fields whose every value within their bounds is possible, and why.

A key is `Struct.field`, after `Call:` if it holds for one call only. A change of a list follows a slash; the items of a
list have `[]`.
"""

from typing import Any, Final

from nextbuy.contracts.message import Call
from tests.contracts.lies import Lie

_POSSIBLE_BECAUSE: Final = {
    "only auth knows a person, and an account is known by its id": """
        Account.email Account.name Account.email_confirmed GetAccounts:Account.role SetAccountStatus:ChangedAccount.role
        ChangedAccount.email ChangedAccount.email_confirmed ChangedAccount.name ChangedAccount.position IssuedLink.email
        FoundAccount.email FoundAccount.email_confirmed FoundAccount.name FoundAccount.role FoundAccount.suspended
        FoundAccounts.accounts/shorter FoundAccounts.accounts/reversed
        """,
    "only auth knows its keys; a token signed with another one is refused": """
        PublicKeys.keys/shorter PublicKeys.keys/reversed PublicKey.kid PublicKey.pem
        """,
    "only seller knows its shops; the question names the shop or its seller, and never both": """
        Shop.name Shop.slug Shop.bio Shop.contact Shop.category Shop.version Seller.name Seller.email
        Seller.submitted_at
        ValidateShopOwner:Shop.id ValidateShopOwner:Shop.status DecideSeller:Shop.id ListSellers:Shop.id
        GetShops:Shop.status GetShops:Shop.seller_id ListSellers:Seller.account_suspended ApplyAccountStatus:Shop.id
        ApplyAccountStatus:Shop.status AccountStatusApplied.shop
        """,
    "only product knows its products, and the question names no more than an id or a status": """
        Product.slug Product.title Product.description Product.category Product.stock Product.shop_id Product.picture
        Product.created_at Product.on_sale Product.archived Product.shop_name Product.shop_slug Product.tags[]
        Product.tags/shorter Product.tags/reversed Product.tags/duplicated-item ListProducts:Product.id
        QuotedLine.title QuotedLine.shop_id Price.amount ProductOffer.shop_id ProductOffer.shop_name
        ProductOffer.shop_slug ProductOffer.slug ProductOffer.title ProductOffer.stock ProductOffer.picture
        """,
    "only product knows its rules of moderation": """
        Moderation.score Moderation.decision Moderation.reasons/shorter Moderation.reasons/reversed
        Moderation.reasons/duplicated-item Finding.rule Finding.points Finding.field Finding.excerpt Finding.word
        """,
    "only product knows whether units were sold": "StockReleased.outcome",
    "only the provider knows its ids and the paths of its pages, which are on the marketplace's origin": """
        PaymentOpened.payment_id PaymentOpened.url Refund.refund_id
        """,
    "only the provider knows whether a payment was made": "PaymentClosed.paid",
    "a list in no particular order": """
        Accounts.accounts/reversed Accounts.missing/reversed IssuedLinks.links/reversed IssuedLinks.missing/reversed
        Shops.shops/reversed Shops.missing/reversed
        EventsCompared.positions/reversed EventsCompared.gaps[]/reversed Gap.missing/reversed Gap.rejected/reversed
        LogListed.lost/reversed Offers.offers/reversed Offers.missing/reversed
        """,
    "a page or a part may be shorter than its limit, and its cursor is opaque": """
        Page.items/shorter Page.next_cursor EventsRead.events/shorter LogRead.events/shorter
        ParkedEventList.events/shorter ParkedEvents.events/shorter
        """,
    "only the publisher knows its event log; the question names topics, positions and ids": """
        LoggedEvent.position EventsRead.last LoggedEnvelope.position LogRead.last ParkedEvent.position
        ParkedEvent.reason ParkedEventRef.position ParkedEventRef.event_id ParkedEventRef.parked_at
        ListedEvents.event_ids[] ListedEvents.positions[] ListedEvents.event_ids/reversed LogListed.lists/reversed
        LogListed.lost/shorter ReadAuthEvents:Envelope.id ReadSellerEvents:Envelope.id ReadProductEvents:Envelope.id
        ReadOrderEvents:Envelope.id ReadAuthEvents:Envelope.key ReadSellerEvents:Envelope.key
        ReadProductEvents:Envelope.key ReadOrderEvents:Envelope.key ReadParkedEvents:Envelope.key
        """,
    "the reader decodes the event by the bounded type of its topic, and its trace decides nothing": """
        Envelope.data Envelope.time Envelope.schema_version Envelope.correlation_id Envelope.causation_id
        Envelope.traceparent
        """,
    "only the subscriber knows what it has applied": """
        Result.outcome Result.reason Result.errors[] Result.errors/shorter Result.errors/longer Result.errors/reversed
        Result.errors/duplicated-item EventsReceived.results/reversed EventsReceived.results[]/reversed
        EventsCompared.gaps/reversed EventsCompared.gaps[]/shorter EventsCompared.positions/shorter Gap.missing/shorter
        Gap.rejected/shorter RejectedEvent.reason SubscriptionPosition.subscription SubscriptionPosition.topic
        SubscriptionPosition.position SubscriptionPosition.event_id SubscriptionPosition.begins_at
        SubscriptionPosition.started_at
        """,
    "only the service knows its status, which people read and nothing acts on": """
        Backlog.waiting Backlog.oldest_s CacheCounts.hits CacheCounts.misses CacheCounts.errors
        BreakerStatus.callee BreakerStatus.state BreakerStatus.changed_at
        BreakerStatus.openings ServiceStatus.version ServiceStatus.outbox ServiceStatus.destinations
        ServiceStatus.dead_letters ServiceStatus.stuck ServiceStatus.stuck[] ServiceStatus.cache
        ServiceStatus.reviews ServiceStatus.reviews[]
        ServiceStatus.breakers/shorter ServiceStatus.breakers/reversed ServiceStatus.problems[]
        ServiceStatus.problems/shorter ServiceStatus.problems/reversed ServiceStatus.problems/duplicated-item
        """,
}
"""Fields whose every value within their bounds is possible, and changes of lists that are, by the reason."""
POSSIBLE: Final = {key: why for why, keys in _POSSIBLE_BECAUSE.items() for key in keys.split()}


def entries(call: type[Call[Any]], lie: Lie) -> set[str]:
    """Return the entries of `POSSIBLE` that cover a lie."""
    if not lie.is_possible:
        return set()
    change = lie.owner if lie.kind == "other" else f"{lie.owner}/{lie.kind.replace(' ', '-')}"
    family = call if call.__bases__ == (Call,) else call.__base__
    assert family is not None
    return {change, f"{family.__name__}:{change}"} & POSSIBLE.keys()
