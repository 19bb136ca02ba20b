"""Whatever comes out of a line: packets, or nothing, and never an error nor endless memory."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.protocol import (
    COUNTERS_BYTES,
    IDENTITY_BYTES,
    MAX_SCORES,
    Counters,
    Decoder,
    Identity,
    Packet,
    field_bits,
    pack_codes,
    packed_bytes,
    unpack_codes,
)

#: Bounded, and the same at each run: what is found is found by everybody.
bounded = settings(max_examples=150, deadline=None, derandomize=True, database=None)

packets = st.builds(
    Packet,
    command=st.integers(0, 15),
    number=st.integers(0, 0xFFFF),
    body=st.binary(max_size=600),
    version=st.integers(0, 15),
)

#: Bytes of a line: noise in which zeros are as frequent as anything, and packets, also cut.
noise = st.lists(st.sampled_from([0, 0, 1, 2, 254, 255, 17, 65]), max_size=40).map(bytes)
cut = st.tuples(packets, st.integers(0, 700)).map(lambda pair: pair[0].encode()[: pair[1]])
lines = st.lists(st.one_of(noise, st.binary(max_size=300), cut), max_size=8).map(b"".join)


def chunks(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[first:last] for first, last in itertools.pairwise(edges)]


@bounded
@given(lines, st.lists(st.integers(0, 10_000), max_size=12))
def test_it_does_not_matter_how_the_bytes_are_cut(data, places):
    whole, pieces = Decoder(), Decoder()
    at_once = list(whole.feed(data))
    assert [packet for part in chunks(data, places) for packet in pieces.feed(part)] == at_once
    assert whole.bad == pieces.bad
    assert whole.bad + len(at_once) <= data.count(b"\0")


@bounded
@given(lines, st.lists(packets, max_size=4), lines)
def test_packets_are_found_after_any_noise(before, sent, after):
    decoder = Decoder()
    list(decoder.feed(before + b"\0"))
    data = b"".join(packet.encode() for packet in sent) + after
    assert list(decoder.feed(data))[: len(sent)] == sent


@bounded
@given(st.integers(8, 200), st.lists(st.binary(max_size=400), max_size=20))
def test_memory_is_bounded(max_bytes, parts):
    decoder = Decoder(max_bytes)
    for part in parts:
        for packet in decoder.feed(part):
            assert len(packet.body) <= max_bytes
        assert len(decoder._partial) <= max_bytes + max_bytes // 254 + 1


@bounded
@given(st.one_of(st.binary(max_size=400), packets.map(lambda packet: packet.encode()[:-1])))
def test_a_run_is_a_packet_or_none(encoded):
    packet = Packet.decode(encoded)
    if packet is not None:
        assert Packet.decode(packet.encode()[:-1]) == packet


@bounded
@given(packets, st.integers(0, 5_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(packet, place, change):
    line = bytearray(packet.encode()[:-1])
    line[place % len(line)] ^= change
    found = [Packet.decode(run) for run in bytes(line).split(b"\0") if run]
    assert packet not in found and not any(found)


plausible = st.builds(
    lambda sha, elements, bits, scores, width, slots: (
        sha
        + elements.to_bytes(4, "little")
        + packed_bytes(elements, bits).to_bytes(4, "little")
        + scores.to_bytes(2, "little")
        + bytes([bits, field_bits(bits), width, slots])
    ),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**25),
    st.integers(1, 17),
    st.integers(0, 5000),
    st.sampled_from([0, 1, 2, 3, 4]),
    st.integers(0, 255),
)


@bounded
@given(st.one_of(st.binary(min_size=IDENTITY_BYTES, max_size=IDENTITY_BYTES), plausible))
def test_an_identity_makes_sense_or_is_none(body):
    identity = Identity.unpack(body)
    if identity is not None:
        assert identity.pack() == body
        assert identity.slots and 1 <= identity.scores <= MAX_SCORES
        assert identity.frame_bytes == packed_bytes(identity.elements, identity.code_bits)


@bounded
@given(st.binary(min_size=COUNTERS_BYTES, max_size=COUNTERS_BYTES))
def test_counters(body):
    assert Counters.unpack(body).pack() == body


@bounded
@given(st.integers(1, 16), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32))
def test_codes(bits, elements, frames, seed):
    codes = np.random.default_rng(seed).integers(0, 2**bits, (frames, elements))
    packed = pack_codes(codes, bits)
    assert packed.shape == (frames, packed_bytes(elements, bits))
    assert np.array_equal(unpack_codes(packed, elements, bits), codes)
