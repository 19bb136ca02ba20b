"""The COBS decoder and encoder against the `cobs` library."""

from __future__ import annotations

import pytest
from cobs import cobs

from hw.link.cobs import CobsDecoder, CobsEncoder

from .bench import END, ERROR, simulate, tokens

STALLS = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)]

#: Around the length of a full block, where implementations differ.
EDGES = [b"\0", b"\0\0", b"a", b"a\0", b"\0a", *(b"x" * n for n in (253, 254, 255, 508, 509))]
EDGES += [b"x" * n + b"\0" for n in (253, 254, 255)] + [b"\0" + b"x" * 254, b"x" * 254 + b"\0y"]


def packets(rng) -> list[bytes]:
    """Random ones, with few and with many zeros."""
    found = list(EDGES)
    for _ in range(6):
        size = int(rng.integers(1, 700))
        high = int(rng.choice([2, 4, 256]))
        found.append(rng.integers(0, high, size).astype("uint8").tobytes())
    return found


@pytest.mark.parametrize(("i_stall", "o_stall"), STALLS)
def test_encoder(rng, i_stall, o_stall):
    sent = packets(rng)
    beats = [token for packet in sent for token in tokens(packet)]
    received = simulate(CobsEncoder(), beats, rng=rng, i_stall=i_stall, o_stall=o_stall)
    first, *encoded, last = bytes(received).split(b"\0")
    assert first == b"" and last == b"", "a delimiter out of reset, and one after each packet"
    assert encoded == [cobs.encode(packet) for packet in sent]


def test_encoder_of_an_empty_packet(rng):
    assert simulate(CobsEncoder(), tokens(b""), rng=rng) == [0, 1, 0]


@pytest.mark.parametrize(("i_stall", "o_stall"), STALLS)
def test_decoder(rng, i_stall, o_stall):
    sent = packets(rng)
    line = b"".join(cobs.encode(packet) + b"\0" for packet in sent)
    received = simulate(CobsDecoder(), line, rng=rng, i_stall=i_stall, o_stall=o_stall)
    assert received == [token for packet in sent for token in tokens(packet)]


def test_decoder_takes_an_empty_block_after_a_full_one(rng):
    line = b"\xff" + b"x" * 254 + b"\x01\0"
    assert simulate(CobsDecoder(), line, rng=rng) == tokens(b"x" * 254)


def test_decoder_says_nothing_about_idle_delimiters(rng):
    assert simulate(CobsDecoder(), b"\0\0\0\x02a\0\0", rng=rng) == tokens(b"a")


def test_decoder_marks_what_is_cut_short_and_recovers(rng):
    received = simulate(CobsDecoder(), b"\x05ab\0\x02c\0", rng=rng)
    assert received == [*b"ab", END | ERROR, *tokens(b"c")]


def test_decoder_agrees_on_noise(rng):
    line = rng.integers(0, 6, 4000).astype("uint8").tobytes() + b"\0"
    expected = []
    for run in line.split(b"\0")[:-1]:
        if not run:
            continue
        try:
            expected.append(cobs.decode(run))
        except cobs.DecodeError:
            expected.append(None)
    received, packet = [], bytearray()
    for token in simulate(CobsDecoder(), line, rng=rng, i_stall=0.2, o_stall=0.2):
        if token & END:
            received.append(None if token & ERROR else bytes(packet))
            packet.clear()
        else:
            packet.append(token & 0xFF)
    assert received == expected
