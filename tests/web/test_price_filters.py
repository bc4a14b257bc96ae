"""Typed prices in the filters of a list: an invalid one stays with an explanation, and is not sent to the API."""

from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from nextbuy.kit.config import Settings
from nextbuy.kit.wire import Request, Response
from nextbuy.web.app import pages
from tests.web.test_public_pages import Api

LISTS = ["/", "/search", "/category/home", "/shop/lamps"]
NOT_A_PRICE = "Enter a price such as 28.00"
REVERSED = "Swap the two prices"


class RecordingApi(Api):
    """An API that records the prices in requests for lists."""

    def __init__(self) -> None:
        super().__init__()
        self.prices: list[dict[str, str]] = []

    async def __call__(self, request: Request) -> Response:
        """Answer with the one product."""
        if request.path in {"/product/api/search-products", "/product/api/get-all-products"}:
            query = parse_qsl(request.query)
            self.prices.append({name: value for name, value in query if name.startswith("price")})
        return await super().__call__(request)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("low", "high", "sent", "problem"),
    [
        ("50", "10", {}, REVERSED),
        ("abc", "", {}, NOT_A_PRICE),
        ("abc", "$10", {"price_max": "1000"}, NOT_A_PRICE),
        ("5", "-1", {"price_min": "500"}, NOT_A_PRICE),
        ("0", "1,299.50", {"price_min": "0", "price_max": "129950"}, ""),
        ("10", "10", {"price_min": "1000", "price_max": "1000"}, ""),
        ("", "", {}, ""),
    ],
)
async def test_invalid_prices_are_kept_and_explained_and_not_sent(
    tmp_path: Path, path: str, low: str, high: str, sent: dict[str, str], problem: str
) -> None:
    api = RecordingApi()
    site = pages(api, settings=Settings(secret=b"s" * 16, data=tmp_path), demo=False)
    query = urlencode({"q": "lamp", "price_min": low, "price_max": high})

    response = await site(Request("GET", path, query, {}))

    html = response.body.decode()
    assert (response.status, api.prices) == (200, [sent])
    assert "Brass lamp" in html
    assert [
        f'name="price_{end}" inputmode="decimal" value="{text}"' in html for end, text in (("min", low), ("max", high))
    ] == [True, True]
    assert [text for text in (NOT_A_PRICE, REVERSED) if text in html] == [problem] * bool(problem)
    assert ('aria-invalid="true" aria-describedby="prices-about"' in html) == bool(problem)
