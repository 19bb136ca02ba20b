"""The image of weights in the flash memory."""

from __future__ import annotations

import zlib

import pytest

from hw.spram.image import WEIGHTS_OFFSET, LoadConfig, WeightImage
from sw.errors import ToolError


def test_bytes() -> None:
    image = WeightImage.of([[0x0102, 0xFFFE], [7]])
    payload = bytes([0x02, 0x01, 0xFE, 0xFF, 7, 0])
    assert (image.payload, image.sprams) == (payload, 2)
    packed = image.pack()
    assert packed[:8] == b"BNAW\x06\0\0\0" and packed[12:] == payload
    assert int.from_bytes(packed[8:12], "little") == zlib.crc32(payload) == image.crc32


def test_behind_a_bitstream() -> None:
    image = WeightImage.of([[1, 2, 3]])
    whole = image.behind(b"\xff\x00\x00\xffbits")
    assert whole.startswith(b"\xff\x00\x00\xffbits\xff\xff")
    assert set(whole[8:WEIGHTS_OFFSET]) == {0xFF}
    assert whole[WEIGHTS_OFFSET:] == image.pack()
    assert image.behind(bytes(WEIGHTS_OFFSET)) == bytes(WEIGHTS_OFFSET) + image.pack()
    with pytest.raises(ToolError) as caught:
        image.behind(bytes(WEIGHTS_OFFSET + 1))
    assert str(caught.value) == (
        "the bitstream has 131,073 bytes; allowed are up to 131,072, where the weights begin. "
        "Pack it with icepack alone, which gives 104,090 bytes of a UP5K."
    )


def test_what_reports_say() -> None:
    image = WeightImage.of([[1], [2]])
    assert image.summary() == {
        "offset": 131_072,
        "bytes": 4,
        "crc32": f"{zlib.crc32(bytes([1, 0, 2, 0])):08x}",
        "sprams": 2,
    }


@pytest.mark.parametrize("clock_hz", [1_000_000, 12_000_000, 24_000_000, 48_000_000])
def test_flash_has_time_to_wake_up(clock_hz: int) -> None:
    config = LoadConfig(sprams=1, length=2, crc32=0, clock_hz=clock_hz)
    half = 2 ** (config.wake_bits - 1)
    assert (half - 16) / clock_hz >= 40e-6
    assert half / clock_hz < 200e-6
