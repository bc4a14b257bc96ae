"""The judge of all answers is seen to find each fault."""

import pytest

from nextbuy.contracts.errors import Broken, NotFound, Unreadable
from nextbuy.kit.wire import PROBLEM, Answer, encode, problem_answer
from tests.hostile.judging import fault

GOOD = NotFound("There is no such product.", slug="no-such-product").problem("id-1")


def _said(**other: object) -> Answer:
    return Answer(404, encode({**{name: getattr(GOOD, name) for name in GOOD.__struct_fields__}, **other}), PROBLEM)


def test_a_problem_document_is_right() -> None:
    assert fault(problem_answer(NotFound("There is no such product.", slug="no-such-product"), "id-1")) is None


@pytest.mark.parametrize(
    "answer",
    [
        problem_answer(Broken("Something broke."), "id-1"),
        Answer(404, b"not found", "text/plain"),
        Answer(404, b"<p>not found</p>", "text/html"),
        Answer(404, b'{"status": 404}', PROBLEM),
        Answer(200, b"well", "text/plain"),
        Answer(204, b"{}"),
        _said(status=400),
        _said(title="Refused"),
        _said(slug="No such product"),
        _said(type="about:blank"),
        _said(detail=""),
        _said(correlation_id=""),
        *(
            problem_answer(Unreadable(inside), "id-1")
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
def test_a_fault_is_found(answer: Answer) -> None:
    assert fault(answer) is not None


def test_words_of_a_shop_are_no_inside() -> None:
    said = "Select a size from the list, or update your address; we set the table where you are."
    assert fault(problem_answer(Unreadable(said), "id-1")) is None
