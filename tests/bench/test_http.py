import pytest

from bench.http import Parser, request_bytes

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'


def test_complete_response_is_parsed_at_once() -> None:
    status, head, body = Parser().feed(ANSWER) or (0, b"", b"")
    assert (status, body) == (200, b'{"a":1}')
    assert head.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("cut", range(1, len(ANSWER)))
def test_response_is_parsed_from_any_two_pieces(cut: int) -> None:
    parser = Parser()
    assert parser.feed(ANSWER[:cut]) is None
    status, _, body = parser.feed(ANSWER[cut:]) or (0, b"", b"")
    assert (status, body) == (200, b'{"a":1}')


def test_following_bytes_belong_to_next_response() -> None:
    parser = Parser()
    assert parser.feed(ANSWER + ANSWER[:20]) is not None
    assert parser.feed(ANSWER[20:]) is not None


def test_response_without_content_needs_no_length() -> None:
    status, _, body = Parser().feed(b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n") or (0, b"x", b"x")
    assert (status, body) == (204, b"")


def test_response_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match="without Content-Length"):
        Parser().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_request_with_body_has_length() -> None:
    made = request_bytes("POST", "/a", b"{}", {"x-y": "z"})
    assert made.startswith(b"POST /a HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    assert b"\r\nContent-Length: 2\r\n" in made
    assert made.endswith(b"x-y: z\r\n\r\n{}")
    assert b"Content-" not in request_bytes("GET", "/a")
