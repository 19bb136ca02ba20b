"""Addresses of an accelerator, and LiteEth's core as RTLIL."""

from __future__ import annotations

import importlib.util

import pytest

from hw.link.ethernet import DATAGRAM, LAYERS_HZ, layers_hz
from hw.link.liteeth import DEFAULT_IP, DEFAULT_PORT, Address, core_rtlil
from sw.driver import udp
from sw.errors import MissingToolError, PlanError


def test_both_ends_agree():
    assert (DEFAULT_PORT, DATAGRAM) == (udp.PORT, udp.DATAGRAM)
    # The slowest layers are those of a clock that is just too fast for them as it is.
    assert layers_hz(LAYERS_HZ + 1) * DATAGRAM / (DATAGRAM + 54) > udp.RATE


@pytest.mark.parametrize(
    ("clock_hz", "expected"),
    [(25_000_000, 25_000_000), (50_000_000, 50_000_000), (75_000_000, 37_500_000)],
)
def test_the_layers_have_a_clock_of_their_own(clock_hz, expected):
    assert layers_hz(clock_hz) == expected


def test_an_ethernet_address_for_each_ip():
    assert Address().ip == DEFAULT_IP
    assert Address().mac == 0x0242_C0A8_0132
    assert Address(ip="10.1.2.3").mac == 0x0242_0A01_0203


@pytest.mark.parametrize("ip", ["", "host", "192.168.1", "192.168.1.255", "224.0.0.5", "0.0.0.0"])
def test_what_is_no_address(ip):
    with pytest.raises(PlanError) as caught:
        Address(ip=ip)
    assert str(caught.value) == (
        f"'{ip}' is no address for an accelerator; allowed is the IPv4 address of a single host. "
        "Give --ip a free address of the host's network, such as 192.168.1.50."
    )


def test_what_is_no_port():
    with pytest.raises(PlanError, match="UDP port 0 does not exist; allowed are 1 to 65535"):
        Address(port=0)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingToolError) as caught:
        core_rtlil(Address(), clock_hz=50_000_000)
    assert str(caught.value) == (
        "Ethernet needs the Python package liteeth, which is not installed. Install it: pip "
        "install 'binarray[ethernet]'."
    )
