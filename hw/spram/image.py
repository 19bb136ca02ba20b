"""Weights for memories that a bitstream cannot fill: their image in the board's flash memory.

The iCE40 UP5K's four single-port memories (SB_SPRAM256KA) of 16,384 words of 16 bits are
empty after configuration. The flash memory that holds the bitstream holds their contents too:

1. the bitstream, at 0, followed by 0xFF up to `WEIGHTS_OFFSET`;
2. a header of `HEADER_BYTES`: `MAGIC`, then the bytes of the payload and its CRC-32, zlib's,
   each in four bytes, least significant first;
3. the payload: the core's memories in the order of its layers, of each its SPRAMs, bits 0 to 15
   first, of each its words in the order of their addresses, each in two bytes, least significant
   first. A word's bits beyond the memory's width are 0.

The header is for people and programs that look at a flash memory. The hardware does not read it:
it was built with the length and the CRC-32 of its own payload, and takes no other, however sound.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sw.errors import ToolError

__all__ = [
    "HEADER_BYTES",
    "MAGIC",
    "WAKE_SECONDS",
    "WEIGHTS_OFFSET",
    "LoadConfig",
    "WeightImage",
]

MAGIC = b"BNAW"
HEADER_BYTES = 12

#: Where the header begins: a UP5K's bitstream has 104,090 bytes.
WEIGHTS_OFFSET = 128 * 1024

#: Longest time for a flash memory to wake up (tRES): 3 us of Winbond's W25Q128JV on the
#: iCEBreaker, up to 35 us of other makers'.
WAKE_SECONDS = 40e-6


@dataclass(frozen=True, kw_only=True)
class WeightImage:
    """What a core's SPRAMs hold.

    Parameters
    ----------
    payload : bytes
        As above.
    sprams : int
        SPRAMs that share it.
    """

    payload: bytes
    sprams: int

    @classmethod
    def of(cls, sprams: Sequence[Sequence[int]]) -> WeightImage:
        """The image of SPRAMs whose words are given, each from 0 to 65,535."""
        words = np.concatenate([np.asarray(spram, "<u2") for spram in sprams])
        return cls(payload=words.tobytes(), sprams=len(sprams))

    @property
    def crc32(self) -> int:
        """Of the payload."""
        return zlib.crc32(self.payload)

    def pack(self) -> bytes:
        """Header and payload."""
        header = MAGIC + len(self.payload).to_bytes(4, "little") + self.crc32.to_bytes(4, "little")
        assert len(header) == HEADER_BYTES
        return header + self.payload

    def behind(self, bitstream: bytes) -> bytes:
        """What the flash memory holds from its address 0 on.

        Raises
        ------
        ToolError
            The bitstream leaves no room.
        """
        if len(bitstream) > WEIGHTS_OFFSET:
            raise ToolError(
                f"the bitstream has {len(bitstream):,} bytes; allowed are up to "
                f"{WEIGHTS_OFFSET:,}, where the weights begin",
                "Pack it with icepack alone, which gives 104,090 bytes of a UP5K",
            )
        return bitstream.ljust(WEIGHTS_OFFSET, b"\xff") + self.pack()

    def summary(self) -> dict[str, int | str]:
        """What manifest and report say of it."""
        return {
            "offset": WEIGHTS_OFFSET,
            "bytes": len(self.payload),
            "crc32": f"{self.crc32:08x}",
            "sprams": self.sprams,
        }


@dataclass(frozen=True, kw_only=True)
class LoadConfig:
    """How the weights come from the flash memory.

    Parameters
    ----------
    sprams : int
        SPRAMs that are filled.
    length : int
        Bytes of the payload.
    crc32 : int
        That it must have.
    clock_hz : int
        Of the domain ``sync``; the flash memory's is half of it.
    """

    sprams: int
    length: int
    crc32: int
    clock_hz: int

    @classmethod
    def of(cls, image: WeightImage, *, clock_hz: int) -> LoadConfig:
        """That of an image."""
        return cls(
            sprams=image.sprams,
            length=len(image.payload),
            crc32=image.crc32,
            clock_hz=clock_hz,
        )

    @property
    def address(self) -> int:
        """Of the payload in the flash memory."""
        return WEIGHTS_OFFSET + HEADER_BYTES

    @property
    def wake_bits(self) -> int:
        """Bits of the counter that waits for the flash memory.

        In the middle of its count the command to wake up is sent, 16 cycles long; before the end
        `WAKE_SECONDS` pass.
        """
        wait = round(WAKE_SECONDS * self.clock_hz) + 16
        return max(7, (wait - 1).bit_length() + 1)

    @property
    def cycles(self) -> int:
        """Cycles from the start until the weights are there, when all goes well at once.

        1. ``2**wake_bits`` until the flash memory is awake;
        2. 64 for the command and the address, 2 a bit;
        3. 16 for each byte;
        4. 2 from the last bit to the byte at the loader, and 8 in the CRC;
        5. 1 to compare the CRC.
        """
        return 2**self.wake_bits + 64 + 16 * self.length + 2 + 8 + 1

    @property
    def seconds(self) -> float:
        """The same as a time."""
        return self.cycles / self.clock_hz
