"""The little protobuf that the embedded API server reads: written here by hand, and what is no protobuf."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaler.local.protobuf import read


def field(number, value):
    """One field of a message: an int, a text, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def body(kind, *fields, version="authorization.k8s.io/v1"):
    envelope = field(1, field(1, version) + field(2, kind)) + field(2, b"".join(fields))
    return b"k8s\0" + envelope + field(3, "") + field(4, "")


def test_a_review():
    about = (
        field(1, "shop") + field(2, "get") + field(3, "apps") + field(5, "deployments") + field(7, "a" * 200)
    )
    spec = field(2, field(1, about) + field(3, "jane") + field(4, "one") + field(4, "two") + field(9, "new"))
    assert read(body("SubjectAccessReview", field(1, field(1, "")), spec)) == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "metadata": {},
        "spec": {
            "resourceAttributes": {
                "namespace": "shop", "verb": "get", "group": "apps", "resource": "deployments", "name": "a" * 200,
            },
            "user": "jane",
            "groups": ["one", "two"],
        },
    }  # fmt: skip


def test_a_token_request_skips_what_is_not_read_here():
    skipped = field(3, field(1, "Pod")) + bytes([5 << 3 | 1]) + b"\0" * 8 + bytes([6 << 3 | 5]) + b"\0" * 4
    found = read(body("TokenRequest", field(2, field(1, "vault") + skipped + field(4, 7200))))
    assert found["spec"] == {"audiences": ["vault"], "expirationSeconds": 7200}


def test_other_kinds_are_not_read():
    assert read(body("Deployment", field(1, b"\xff\xff"))) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", "does not begin"),
        (b"k8s\0\x0a\x7f", "in the middle of a field"),
        (b"k8s\0\xff", "in the middle of a number"),
        (b"k8s\0\x0b", "wire type 3"),
        (b"k8s\0\x08\x01", "a number stands where bytes should"),
        (body("SelfSubjectRulesReview", field(2, field(1, b"\xff"))), "codec can't decode"),
    ],
)
def test_what_is_no_body(data, words):
    with pytest.raises(ValueError, match=words):
        read(data)


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error_or_nothing(data):
    try:
        read(b"k8s\0" + data)
    except ValueError:
        return
