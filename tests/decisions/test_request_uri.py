"""Which texts Go takes for URLs, and their paths: the rules by which KEDA finds a queue's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib.request_uri import path_of


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/1/orders", "/1/orders"),
        ("HTTP://localhost:4566/000000000000/q?x=/y", "/000000000000/q"),
        ("http://localhost:/1/q", "/1/q"),
        ("http://user:p%20w@localhost/1/q", "/1/q"),
        ("http://[::1]:4566/1/q", "/1/q"),
        ("http://[fe80::1%25eth0]/1/q", "/1/q"),
        ("http://caf\u00e9/1/q", "/1/q"),
        ("http://%C3%A9/1/q", "/1/q"),
        ("/1/orders", "/1/orders"),
        ("//1/orders", "//1/orders"),
        ("https:/1/q", "/1/q"),
        ("x+y-z.1:/1/q", "/1/q"),
        ("https:///1/q", "/1/q"),
        ("https://host", ""),
        ("https://host?/1/q", ""),
        ("https://host/1/q#part", "/1/q#part"),
        ("https://host/1/a%2Fb", "/1/a/b"),
        ("https://host/1/a b+c", "/1/a b+c"),
        ("arn:aws:sqs:eu-west-1:1:orders", ""),
        ("orders:x", ""),
        ("*", "*"),
    ],
)
def test_urls_and_absolute_paths(text, path):
    assert path_of(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "orders",
        "orders.fifo",
        "my_queue:x",
        "1orders:x",
        ":orders",
        "",
        "?",
        "1/orders",
        "https://host/1/bad%zz",
        "https://host/1/bad%2",
        "https://host:port/1/q",
        "https://host:80:80/1/q",
        "https://::1/1/q",
        "https://[::1/1/q",
        "https://[host]/1/q",
        "https://[::1]x/1/q",
        "https://ho st/1/q",
        "https://ho%41st/1/q",
        "https://ho|st/1/q",
        "https://us er@host/1/q",
        "https://us%@host/1/q",
        "https://host/1/line\nend",
        "https://host/1/\x7f",
    ],
)
def test_what_go_refuses_is_a_plain_name(text):
    assert path_of(text) is None


@given(st.text(max_size=40))
def test_any_text_has_an_answer(text):
    path = path_of(text)
    assert path is None or isinstance(path, str)
