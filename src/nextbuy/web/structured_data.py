"""Structured data (schema.org, as JSON-LD) of public pages, for search engines."""

from collections.abc import Sequence
from typing import Any

from babel.numbers import get_currency_precision

from nextbuy.contracts.product import PublicProduct

JsonLd = dict[str, Any]


def product_data(product: PublicProduct, base_url: str) -> JsonLd:
    """Return a Product with its Offer (developers.google.com/search/docs, "Merchant listing")."""
    digits = get_currency_precision(product.price.currency)
    url = f"{base_url}/product/{product.slug}"
    return {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product.title,
        "description": product.description,
        "image": [f"{base_url}{product.picture}"],
        "sku": str(product.id),
        "category": product.category,
        "offers": {
            "@type": "Offer",
            "url": url,
            "price": f"{product.price.amount / 10**digits:.{digits}f}",
            "priceCurrency": product.price.currency,
            "availability": f"https://schema.org/{'InStock' if product.stock else 'OutOfStock'}",
            "itemCondition": "https://schema.org/NewCondition",
            "seller": {"@type": "Organization", "name": product.shop_name},
        },
    }


def breadcrumbs(base_url: str, steps: Sequence[tuple[str, str]]) -> JsonLd:
    """Return the BreadcrumbList of pairs of path and name."""
    return {
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": number, "name": name, "item": f"{base_url}{path}"}
            for number, (path, name) in enumerate(steps, 1)
        ],
    }


def organization(base_url: str, name: str, path: str, *, email: str = "") -> JsonLd:
    """Return an Organization: the marketplace, or one of its shops."""
    found = {
        "@context": "https://schema.org",
        "@type": "Organization",
        "name": name,
        "url": f"{base_url}{path}",
    }
    return found | {"email": email} if email else found
