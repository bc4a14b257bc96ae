"""All calls and events. `history.json` records their versions, and `make check` compares the code to it."""

from typing import Any, Final

from nextbuy.contracts import auth, order, product, product_offers, seller, simulator, traces
from nextbuy.contracts.comparison import list_logged_events_of, missing_events_of, read_logged_events_of
from nextbuy.contracts.delivery import receive_events_of
from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.operator import OPERATED, OPERATOR_EVENTS
from nextbuy.contracts.parking import list_parked_events_of, read_parked_events_of, replay_parked_events_of
from nextbuy.contracts.status import get_status_of

SUBSCRIBERS: Final = ("admin", "analytics", "notification", "product", "seller")
"""The services that subscribe to events."""
PUBLISHERS: Final = OPERATED
"""The services that publish events."""
SERVICES: Final = ("admin", "analytics", "auth", "kafka", "notification", "order", "product", "seller", "simulator")
"""The services that report their status, which is all of them."""

CALLS: Final[tuple[type[Call[Any]], ...]] = (
    auth.GetPublicKeys,
    auth.ValidateUser,
    auth.ValidateSeller,
    auth.ValidateAdmin,
    auth.GetAccounts,
    auth.FindAccounts,
    auth.SetAccountStatus,
    auth.IssueLinks,
    auth.ReadAuthEvents,
    seller.ValidateShopOwner,
    seller.GetShops,
    seller.ListSellers,
    seller.DecideSeller,
    seller.ApplyAccountStatus,
    seller.ReadSellerEvents,
    product.ValidateProducts,
    product_offers.GetOffers,
    product.HoldStock,
    product.ReleaseStock,
    product.UpdateStock,
    product.ListProducts,
    product.DecideProduct,
    product.CopyShop,
    product.ReadProductEvents,
    order.ReadOrderEvents,
    simulator.OpenPayment,
    simulator.ClosePayment,
    simulator.RefundPayment,
    traces.StoreInteractions,
    *map(receive_events_of, SUBSCRIBERS),
    *map(get_status_of, SERVICES),
    *map(list_parked_events_of, PUBLISHERS),
    *map(read_parked_events_of, PUBLISHERS),
    *map(replay_parked_events_of, PUBLISHERS),
    *map(missing_events_of, SUBSCRIBERS),
    *map(list_logged_events_of, PUBLISHERS),
    *map(read_logged_events_of, PUBLISHERS),
)

EVENTS: Final[tuple[type[Event], ...]] = (
    auth.AccountRegistered,
    auth.AccountSuspended,
    auth.AccountReinstated,
    auth.LoginsSlowed,
    auth.EmailConfirmationRequested,
    auth.EmailChangeRequested,
    auth.EmailChanged,
    auth.PasswordResetRequested,
    auth.PasswordChanged,
    seller.SellerRegistered,
    seller.SellerApproved,
    seller.SellerRejected,
    seller.SellerSuspended,
    seller.SellerUpdated,
    product.ProductCreated,
    product.ProductUpdated,
    product.ProductPending,
    product.ProductApproved,
    product.ProductRejected,
    product.ProductViewed,
    product.ProductAddedToBasket,
    order.SessionCreated,
    order.SessionOpened,
    order.SessionNotOpened,
    order.SessionPaid,
    order.OrderCreated,
    order.OrderPaid,
    order.OrderRefunded,
    order.PaymentReceived,
    order.PaymentFailed,
    order.PaymentDeclined,
    order.RefundDue,
    order.PaymentGivenUp,
    order.PaymentRefunded,
    order.RefundReported,
    order.SessionExpired,
    order.SessionCancelled,
    order.HoldReleased,
    order.ReleaseGivenUp,
    order.PaymentUnmatched,
    order.UnmatchedPaymentGivenUp,
    order.UnmatchedRefundReported,
    order.UnmatchedPaymentRefunded,
    *OPERATOR_EVENTS,
)
