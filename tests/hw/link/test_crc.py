"""The CRC appender and checker against zlib."""

from __future__ import annotations

import zlib

import pytest

from hw.link.crc import CrcAppender, CrcChecker

from .bench import END, ERROR, simulate, tokens

STALLS = [(0.0, 0.0), (0.5, 0.3)]


def with_crc(packet: bytes) -> bytes:
    return packet + zlib.crc32(packet).to_bytes(4, "little")


@pytest.mark.parametrize(("i_stall", "o_stall"), STALLS)
def test_appender(rng, i_stall, o_stall):
    sent = [rng.bytes(int(n)) for n in rng.integers(0, 40, 20)]
    beats = [token for packet in sent for token in tokens(packet)]
    received = simulate(CrcAppender(), beats, rng=rng, i_stall=i_stall, o_stall=o_stall)
    assert received == [token for packet in sent for token in tokens(with_crc(packet))]


@pytest.mark.parametrize(("i_stall", "o_stall"), STALLS)
def test_checker(rng, i_stall, o_stall):
    beats, expected = [], []
    for size in rng.integers(1, 40, 60):
        packet = bytearray(with_crc(rng.bytes(int(size))))
        broken = rng.random() < 0.5
        if broken:
            packet[rng.integers(len(packet))] ^= 1 << rng.integers(8)
        beats += tokens(packet)
        expected += tokens(packet, ERROR if broken else 0)
    received = simulate(CrcChecker(), beats, rng=rng, i_stall=i_stall, o_stall=o_stall)
    assert received == expected


def test_checker_keeps_an_error_that_was_there(rng):
    packet = with_crc(b"abc")
    received = simulate(CrcChecker(), [*packet, END | ERROR, *tokens(packet)], rng=rng)
    assert received == [*packet, END | ERROR, *tokens(packet)]


def test_checker_refuses_less_than_a_crc(rng):
    assert simulate(CrcChecker(), tokens(b"\0\0\0"), rng=rng)[-1] == END | ERROR
