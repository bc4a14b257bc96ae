"""Admin: decisions about products, sellers and accounts, and the notifications that all admins share."""

from nextbuy.admin.approve_product import approve_product
from nextbuy.admin.approve_seller import approve_seller
from nextbuy.admin.audit import audit
from nextbuy.admin.count_by_status import count_by_status
from nextbuy.admin.count_new_products import count_new_products
from nextbuy.admin.create_notification import create_notification
from nextbuy.admin.deps import Deps
from nextbuy.admin.drafts import ADMIN_EVENTS
from nextbuy.admin.get_pending_products import get_pending_products
from nextbuy.admin.get_pending_sellers import get_pending_sellers
from nextbuy.admin.list_by_status import list_by_status
from nextbuy.admin.notifications import notifications
from nextbuy.admin.person import person
from nextbuy.admin.poll_changes import poll_changes
from nextbuy.admin.purge_notifications import purge_notifications
from nextbuy.admin.read_all_notifications import read_all_notifications
from nextbuy.admin.read_notification import read_notification
from nextbuy.admin.reinstate_account import reinstate_account
from nextbuy.admin.reinstate_seller import reinstate_seller
from nextbuy.admin.reject_product import reject_product
from nextbuy.admin.reject_seller import reject_seller
from nextbuy.admin.search import search
from nextbuy.admin.search_index import INDEXED_EVENTS
from nextbuy.admin.store_operator_acts import store_operator_acts
from nextbuy.admin.stream import stream
from nextbuy.admin.suspend_account import suspend_account
from nextbuy.admin.suspend_seller import suspend_seller
from nextbuy.admin.unread_notifications import unread_notifications
from nextbuy.admin.update_search_index import update_search_index
from nextbuy.contracts.operator import OPERATOR_EVENTS
from nextbuy.contracts.product import ProductCreated
from nextbuy.contracts.values import Role
from nextbuy.kit.service import RawContent, Service, get, job, post, subscribe
from nextbuy.kit.wire import EVENT_STREAM

_ADMINS = [Role.ADMIN]

SERVICE = Service(
    name="admin",
    deps=Deps,
    routes=[
        get("get-pending-sellers", get_pending_sellers, who=_ADMINS),
        post("approve-seller/{user_id}", approve_seller, who=_ADMINS, if_match=True),
        post("reject-seller/{user_id}", reject_seller, who=_ADMINS, if_match=True),
        post("suspend-seller/{user_id}", suspend_seller, who=_ADMINS, if_match=True),
        post("reinstate-seller/{user_id}", reinstate_seller, who=_ADMINS, if_match=True),
        get("get-pending-products", get_pending_products, who=_ADMINS),
        post("approve-product/{product_id}", approve_product, who=_ADMINS, if_match=True),
        post("reject-product/{product_id}", reject_product, who=_ADMINS, if_match=True),
        post("suspend-account/{user_id}", suspend_account, who=_ADMINS),
        post("reinstate-account/{user_id}", reinstate_account, who=_ADMINS),
        get("search", search, who=_ADMINS),
        get("count-by-status", count_by_status, who=_ADMINS),
        get("list-by-status", list_by_status, who=_ADMINS),
        get("audit", audit, who=_ADMINS),
        get("person/{user_id}", person, who=_ADMINS),
        get("stream", stream, who=_ADMINS, raw=RawContent(produces=(EVENT_STREAM,))),
        get("notifications", notifications, who=_ADMINS),
        get("unread-notifications", unread_notifications, who=_ADMINS),
        post("read-all-notifications", read_all_notifications, who=_ADMINS),
        post("read-notification/{notification_id}", read_notification, who=_ADMINS),
    ],
    subscriptions=[
        subscribe("create-notification", ADMIN_EVENTS, create_notification),
        subscribe("count-new-products", ProductCreated, count_new_products),
        subscribe("store-operator-acts", OPERATOR_EVENTS, store_operator_acts, from_start=True),
        subscribe("update-search-index", INDEXED_EVENTS, update_search_index, from_start=True),
    ],
    jobs=[
        job("poll-changes", poll_changes, every=1.0),
        job("purge-notifications", purge_notifications, every=600.0),
    ],
)
