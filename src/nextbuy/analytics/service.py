"""The table of contents of analytics."""

from nextbuy.analytics.audit import audit
from nextbuy.analytics.best_sellers import best_sellers
from nextbuy.analytics.daily_figures import daily_figures
from nextbuy.analytics.deps import Deps
from nextbuy.analytics.product_figures import product_figures
from nextbuy.analytics.projection import BEST_SELLERS, DAILY_FIGURES, PRODUCT_VIEWS, SELLER_FIGURES, project
from nextbuy.analytics.projections import projections
from nextbuy.analytics.rebuild_projection import rebuild_projection
from nextbuy.analytics.rebuild_projections import rebuild_projections
from nextbuy.analytics.seller_figures import seller_figures
from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.values import Role
from nextbuy.kit.service import Service, get, job, post

_ADMINS = [Role.ADMIN]

SERVICE = Service(
    name="analytics",
    deps=Deps,
    routes=[
        get("audit", audit, who=_ADMINS),
        get("daily-figures", daily_figures, who=_ADMINS),
        get("best-sellers", best_sellers),
        get("seller-figures", seller_figures, who=[Role.SELLER]),
        get("product-figures/{product_id}", product_figures, who=[Role.SELLER, Role.ADMIN]),
        get("projections", projections, who=_ADMINS),
        post("projections/{name}/rebuild", rebuild_projection, who=_ADMINS, status=202),
    ],
    publishes=[operator_acted_of("analytics")],
    subscriptions=[
        project("project-daily-figures", DAILY_FIGURES),
        project("project-product-views", PRODUCT_VIEWS),
        project("project-best-sellers", BEST_SELLERS),
        project("project-seller-figures", SELLER_FIGURES),
    ],
    jobs=[job("rebuild-projections", rebuild_projections, every=1.0, idle=5.0)],
)
