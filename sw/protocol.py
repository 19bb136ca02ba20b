"""Packets between host and accelerator: the only copy of their format.

A packet is a type byte, a 16-bit number and a body, followed by the CRC-32 of
all three, COBS-encoded and ended by one zero byte:

    COBS( type | number | body | CRC-32 ) 00

- The type byte holds `VERSION` in its upper four bits and a command in the
  lower four. Bit 3 of the command is 1 in packets from the accelerator.
- Every multi-byte field is little-endian.
- The number names a frame, or a request; the answer repeats it.

The host asks, the accelerator answers. Inference is stateless: what was lost on
the way is sent again. The gateware reads its constants from here.
`docs/protocol.md` shows the same byte by byte.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from cobs import cobs
from numpy.typing import NDArray

__all__ = [
    "COUNTERS_BYTES",
    "CRC_BYTES",
    "HEADER_BYTES",
    "IDENTITY_BYTES",
    "MAX_FRAME_BYTES",
    "MAX_SCORES",
    "MAX_SLOTS",
    "UART_BIT_CYCLES",
    "UART_ERROR",
    "VERSION",
    "Command",
    "Counters",
    "Decoder",
    "ErrorCode",
    "Identity",
    "Packet",
    "field_bits",
    "pack_codes",
    "pack_scores",
    "packed_bytes",
    "score_bytes",
    "unpack_codes",
    "unpack_scores",
]

#: Version of the protocol, 0 to 15: raised when either end would misread the other.
VERSION = 1

#: Bytes before the body: type and number. Bytes after it: the CRC.
HEADER_BYTES = 3
CRC_BYTES = 4

#: Of a link by UART: least clock cycles that a bit lasts in the gateware, and highest error of
#: its rate. The receiver bears 2.5 % between the two ends.
UART_BIT_CYCLES = 3
UART_ERROR = 0.02

#: What the fields of `Identity` can hold, and what an accelerator keeps at most.
MAX_FRAME_BYTES = 2**24
MAX_SCORES = 4096
MAX_SLOTS = 16

#: Longest packet that an accelerator sends, before COBS.
MAX_REPLY_BYTES = HEADER_BYTES + 4 * MAX_SCORES + CRC_BYTES


class Command(IntEnum):
    """The lower four bits of a packet's type; bit 3 marks an answer."""

    HELLO = 0x0
    FRAME = 0x1
    RESET = 0x2
    STATS = 0x3
    IDENTITY = 0x8
    RESULT = 0x9
    WAS_RESET = 0xA
    COUNTERS = 0xB
    ERROR = 0xF


class ErrorCode(IntEnum):
    """The one byte in the body of an ERROR: why a packet with a good CRC was refused."""

    VERSION = 1
    COMMAND = 2
    LENGTH = 3
    BUSY = 4


@dataclass(frozen=True, kw_only=True)
class Packet:
    """One packet, before the CRC is added or after it was checked."""

    command: int
    number: int = 0
    body: bytes = b""
    version: int = VERSION

    def encode(self) -> bytes:
        """The bytes on the wire, with the delimiter that ends them."""
        head = struct.pack("<BH", self.version << 4 | self.command, self.number)
        raw = head + self.body
        return cobs.encode(raw + zlib.crc32(raw).to_bytes(CRC_BYTES, "little")) + b"\0"

    @classmethod
    def decode(cls, encoded: bytes) -> Packet | None:
        """The packet between two delimiters, or None where it is not whole."""
        try:
            raw = cobs.decode(encoded)
        except cobs.DecodeError:
            return None
        if len(raw) < HEADER_BYTES + CRC_BYTES:
            return None
        raw, crc = raw[:-CRC_BYTES], raw[-CRC_BYTES:]
        if zlib.crc32(raw) != int.from_bytes(crc, "little"):
            return None
        kind, number = struct.unpack_from("<BH", raw)
        return cls(command=kind & 0xF, number=number, body=raw[HEADER_BYTES:], version=kind >> 4)


class Decoder:
    """Cuts a stream of bytes into packets, whatever else is in it.

    Parameters
    ----------
    max_bytes : int
        Longest packet to expect, before COBS; what is longer is dropped, so that
        endless noise takes no memory.

    Attributes
    ----------
    bad : int
        Runs of bytes between delimiters that were no packet.
    """

    def __init__(self, max_bytes: int = MAX_REPLY_BYTES) -> None:
        # COBS adds a byte at the start and one for each 254.
        self._limit = max_bytes + max_bytes // 254 + 1
        self._partial = bytearray()
        self._too_long = False
        self.bad = 0

    def feed(self, received: bytes) -> Iterator[Packet]:
        """Packets that ``received`` completes."""
        *ended, rest = received.split(b"\0")
        for run in ended:
            self._extend(run)
            encoded, too_long = bytes(self._partial), self._too_long
            self._partial.clear()
            self._too_long = False
            packet = None if too_long else Packet.decode(encoded)
            if packet is not None:
                yield packet
            elif encoded or too_long:
                self.bad += 1
        self._extend(rest)

    def _extend(self, run: bytes) -> None:
        self._partial += run
        if len(self._partial) > self._limit:
            self._partial.clear()
            self._too_long = True


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Since the last RESET, each modulo 65,536; the body of COUNTERS, in this order.

    Parameters
    ----------
    bad_packets : int
        Packets that the accelerator dropped: wrong CRC, or cut short.
    overruns : int
        Packets that it had no room for: more frames in flight than slots, or
        requests faster than answers.
    frames_in, frames_out : int
        Frames accepted, results sent.
    """

    bad_packets: int = 0
    overruns: int = 0
    frames_in: int = 0
    frames_out: int = 0

    def pack(self) -> bytes:
        return struct.pack("<4H", *(getattr(self, f.name) & 0xFFFF for f in fields(self)))

    @classmethod
    def unpack(cls, body: bytes) -> Counters:
        """Counters of an 8-byte body."""
        names = (field.name for field in fields(cls))
        return cls(**dict(zip(names, struct.unpack("<4H", body), strict=True)))


COUNTERS_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What an accelerator says of itself; the start of the body of IDENTITY.

    Parameters
    ----------
    model_sha256 : str
        Hex digest of the model file that it was built from.
    elements : int
        Codes of the input tensor.
    frame_bytes : int
        Length of a FRAME's body.
    scores : int
        Scores in a RESULT.
    code_bits : int
        Width of a code; it travels in a field of `field_bits` of it.
    score_bytes : int
        1, 2 or 4: width of a score.
    slots : int
        Frames that may be in flight: sent, and not yet answered.
    """

    model_sha256: str
    elements: int
    frame_bytes: int
    scores: int
    code_bits: int
    score_bytes: int
    slots: int

    _FORMAT = "<32sIIHBBBB"

    def pack(self) -> bytes:
        return struct.pack(
            self._FORMAT,
            bytes.fromhex(self.model_sha256),
            self.elements,
            self.frame_bytes,
            self.scores,
            self.code_bits,
            field_bits(self.code_bits),
            self.score_bytes,
            self.slots,
        )

    @classmethod
    def unpack(cls, body: bytes) -> Identity | None:
        """Identity of a 46-byte body, or None where its fields contradict one another."""
        digest, elements, frame_bytes, scores, bits, field, width, slots = struct.unpack(
            cls._FORMAT, body
        )
        if not 1 <= bits <= 16 or field != field_bits(bits) or not elements:
            return None
        if frame_bytes != packed_bytes(elements, bits) or frame_bytes > MAX_FRAME_BYTES:
            return None
        if width not in (1, 2, 4) or not 1 <= scores <= MAX_SCORES or not slots:
            return None
        return cls(
            model_sha256=digest.hex(),
            elements=elements,
            frame_bytes=frame_bytes,
            scores=scores,
            code_bits=bits,
            score_bytes=width,
            slots=slots,
        )


IDENTITY_BYTES = struct.calcsize(Identity._FORMAT)


def field_bits(code_bits: int) -> int:
    """Width of the field in which a code travels: the next of 1, 2, 4, 8, 16."""
    return 1 << (code_bits - 1).bit_length()


def packed_bytes(elements: int, code_bits: int) -> int:
    """Bytes of a frame of ``elements`` codes."""
    return -(-elements * field_bits(code_bits) // 8)


def score_bytes(score_bits: int) -> int:
    """Bytes of a signed score of ``score_bits`` bits: 1, 2 or 4."""
    return max(1, 1 << (-(-score_bits // 8) - 1).bit_length())


def pack_codes(codes: NDArray, code_bits: int) -> NDArray[np.uint8]:
    """Bodies of FRAMEs.

    Parameters
    ----------
    codes : integer array (frames, elements)
        Codes in raster order, channel fastest, each of ``code_bits`` bits.

    Returns
    -------
    uint8 array (frames, packed_bytes(elements, code_bits))
        Element i lies in field i, counted from the least significant bit of byte
        0. What remains of the last byte is 0.
    """
    frames, elements = codes.shape
    field = field_bits(code_bits)
    if field == 16:
        return codes.astype("<u2").view(np.uint8).reshape(frames, 2 * elements)
    if field == 8:
        return codes.astype(np.uint8)
    if field == 1:
        return np.packbits(codes.astype(np.uint8), axis=1, bitorder="little")
    per_byte = 8 // field
    padded = np.zeros((frames, -(-elements // per_byte), per_byte), np.uint8)
    padded.reshape(frames, -1)[:, :elements] = codes
    return np.bitwise_or.reduce(padded << (np.arange(per_byte, dtype=np.uint8) * field), axis=2)


def unpack_codes(packed: NDArray[np.uint8], elements: int, code_bits: int) -> NDArray[np.int64]:
    """Codes (frames, elements) of bodies (frames, bytes); the inverse of `pack_codes`."""
    field = field_bits(code_bits)
    if field == 16:
        return np.ascontiguousarray(packed).view("<u2").astype(np.int64)
    shifts = np.arange(8 // field, dtype=np.uint8) * field
    codes = packed[:, :, None] >> shifts & ((1 << field) - 1)
    return codes.reshape(len(packed), -1)[:, :elements].astype(np.int64)


def pack_scores(scores: NDArray, width: int) -> bytes:
    """Body of a RESULT: scores (n,), each signed and ``width`` bytes wide."""
    return np.asarray(scores).astype(f"<i{width}").tobytes()


def unpack_scores(body: bytes, width: int) -> NDArray[np.int32]:
    """Scores of a RESULT's body; the inverse of `pack_scores`."""
    return np.frombuffer(body, f"<i{width}").astype(np.int32)
