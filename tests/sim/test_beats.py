"""Packing codes into beats, against arithmetic on Python integers."""

import pytest

from sim.beats import pack_beats, unpack_beats


@pytest.mark.parametrize(("lanes", "bits"), [(1, 1), (3, 8), (64, 1), (9, 5), (32, 1), (5, 13)])
def test_beats_are_little_endian_words(rng, lanes, bits):
    codes = rng.integers(0, 2**bits, (17, lanes))
    beats = pack_beats(codes, lanes=lanes, bits=bits)
    for beat, row in zip(beats, codes, strict=True):
        expected = sum(int(code) << (i * bits) for i, code in enumerate(row))
        assert sum(int(word) << (32 * i) for i, word in enumerate(beat)) == expected
    assert (unpack_beats(beats, lanes=lanes, bits=bits) == codes).all()


def test_signed_values_come_back(rng):
    values = rng.integers(-(2**11), 2**11, (100, 1))
    beats = pack_beats(values & 0xFFF, lanes=1, bits=12)
    assert (unpack_beats(beats, lanes=1, bits=12, signed=True) == values).all()
