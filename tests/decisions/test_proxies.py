"""Which requests go through a proxy, as the environment says."""

import pytest

from scalers._lib.proxies import Proxies

PROXIES = Proxies.of(
    {
        "HTTP_PROXY": "http://proxy:3128",
        "https_proxy": "secure:3129",
        "NO_PROXY": "intern.corp, .svc,*.local ,10.0.0.0/8,fd00::/8,1.2.3.4,only.port:8080,[::5]:99, bad/net",
    }
)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "proxy"),
    [
        ("http", "example.com", 80, "http://proxy:3128"),
        ("https", "example.com", 443, "http://secure:3129"),
        ("http", "intern.corp", 80, ""),
        ("http", "deep.Intern.Corp.", 80, ""),
        ("http", "notintern.corp", 80, "http://proxy:3128"),
        ("http", "prom.shop.svc", 9090, ""),
        ("http", "svc", 9090, "http://proxy:3128"),
        ("http", "a.local", 80, ""),
        ("http", "local", 80, "http://proxy:3128"),
        ("http", "10.9.8.7", 80, ""),
        ("http", "11.9.8.7", 80, "http://proxy:3128"),
        ("http", "fd00::7", 80, ""),
        ("http", "1.2.3.4", 80, ""),
        ("http", "only.port", 8080, ""),
        ("http", "only.port", 80, "http://proxy:3128"),
        ("http", "::5", 99, ""),
        ("http", "::5", 98, "http://proxy:3128"),
        ("http", "localhost", 80, ""),
        ("http", "127.0.0.1", 80, ""),
        ("http", "::1", 80, ""),
    ],
)
def test_choice(scheme, host, port, proxy):
    assert PROXIES.choose(scheme, host, port) == proxy


def test_without_proxies_there_is_nothing_to_choose():
    assert not Proxies.of({"NO_PROXY": "*", "HTTP_PROXY": " "})
    assert Proxies.of({}).choose("http", "example.com", 80) == ""


def test_a_star_excepts_everything():
    proxies = Proxies.of({"http_proxy": "http://p:1", "no_proxy": "*"})
    assert proxies
    assert proxies.choose("http", "example.com", 80) == ""


def test_a_password_in_a_proxys_url_is_not_shown():
    assert "s3cret" not in repr(Proxies.of({"http_proxy": "http://user:s3cret@p:1"}))
