"""Which IP addresses triggers may reach, in every way of writing them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalers._lib.addresses import refusal

LINK_LOCAL = (
    "169.254.169.254",
    "169.254.0.1",
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::a9fe:a9fe",
    "::ffff:0:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
)
METADATA = ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "::ffff:100.100.100.200")
LOOPBACK = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::ffff:0:0",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
)
ORDINARY = (
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.9",
    "8.8.8.8",
    "100.64.0.1",
    "fd00::1",
    "2001:db8::1",
    "169.253.255.255",
    "169.255.0.0",
)


@pytest.mark.parametrize("allow_loopback", [True, False])
@pytest.mark.parametrize(("addresses", "words"), [(LINK_LOCAL, "link-local"), (METADATA, "metadata")])
def test_link_local_and_metadata_are_refused_always(addresses, words, allow_loopback):
    for address in addresses:
        assert words in refusal(address, allow_loopback=allow_loopback), address


@pytest.mark.parametrize("address", LOOPBACK)
def test_loopback_is_refused_unless_allowed(address):
    assert "allow_loopback_sources" in refusal(address, allow_loopback=False)
    assert refusal(address, allow_loopback=True) is None


@pytest.mark.parametrize("address", ORDINARY)
def test_other_addresses_are_nobodys_business(address):
    assert refusal(address, allow_loopback=False) is None


@pytest.mark.parametrize("address", ["224.0.0.1", "255.255.255.255", "ff02::1"])
def test_no_address_of_one_host(address):
    assert refusal(address, allow_loopback=True) is not None


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5", "a:b"])
def test_what_is_no_address_is_said_so(text):
    with pytest.raises(ValueError, match=r"address|IPv"):
        refusal(text, allow_loopback=True)


@given(st.ip_addresses(network="169.254.0.0/16"), st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96", "::/96"]))
def test_no_prefix_hides_an_address(address, prefix):
    network = ipaddress.ip_network(prefix)
    hidden = ipaddress.IPv6Address(int(network.network_address) | int(address))
    assert refusal(str(hidden), allow_loopback=True) is not None
