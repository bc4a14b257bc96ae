"""Each fault of a response is found once."""

import pytest

from nextbuy.contracts.errors import InternalError, Unprocessable
from nextbuy.kit.wire import PROBLEM, Response, encode, problem_response
from nextbuy.product.model import ProductNotFound
from tests.hostile.judging import fault

GOOD = ProductNotFound().problem("id-1")


def _problem(**other: object) -> Response:
    return Response(404, encode({**{name: getattr(GOOD, name) for name in GOOD.__struct_fields__}, **other}), PROBLEM)


def test_problem_document_is_valid() -> None:
    assert fault(problem_response(ProductNotFound(), "id-1")) is None


@pytest.mark.parametrize(
    "answer",
    [
        problem_response(InternalError("Something broke."), "id-1"),
        Response(404, b"not found", "text/plain"),
        Response(404, b"<p>not found</p>", "text/html"),
        Response(404, b'{"status": 404}', PROBLEM),
        Response(200, b"well", "text/plain"),
        Response(204, b"{}"),
        _problem(status=400),
        _problem(title="Conflict"),
        _problem(slug="No such product"),
        _problem(type="about:blank"),
        _problem(detail=""),
        _problem(correlation_id=""),
        *(
            problem_response(Unprocessable(inside), "id-1")
            for inside in (
                "Traceback (most recent call last)",
                'File "kit/web.py", line 3',
                "SELECT id FROM accounts",
                "UPDATE products SET stock = 1",
                'relation "orders" does not exist',
                "asyncpg.exceptions.DataError",
                "invalid input syntax for type uuid",
                "<nextbuy.order.deps.Deps object>",
                "<object at 0x7f355a5968d0>",
            )
        ),
    ],
)
def test_fault_is_found(answer: Response) -> None:
    assert fault(answer) is not None


def test_ordinary_sentence_leaks_nothing() -> None:
    detail = "Select a size from the list, or update your address; we set the table where you are."
    assert fault(problem_response(Unprocessable(detail), "id-1")) is None
