"""The link between host and core: sizes that follow from the model, and the UART's divisor."""

from __future__ import annotations

from dataclasses import dataclass

from sw.errors import PlanError
from sw.model.model import Model
from sw.protocol import (
    CRC_BYTES,
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    MAX_SCORES,
    MAX_SLOTS,
    UART_BIT_CYCLES,
    UART_ERROR,
    field_bits,
    packed_bytes,
    score_bytes,
)

__all__ = ["TRANSMIT_BYTES", "LinkConfig", "packet_bytes", "uart_divisor"]

#: Most frames are kept in at least two slots; up to this many bytes it costs little to have more,
#: and the more there are in flight, the less the host's latency counts.
SLOT_BYTES = 4096

#: A larger frame has one slot, for two would take more than 64 block RAMs: it is sent only
#: when the result of the one before it has come.
MAX_PAIR_BYTES = 65_536

#: Ring of the COBS encoder: a block is 255 bytes, and must fit beside the one being sent.
TRANSMIT_BYTES = 512

#: Depths in bytes at which a block RAM, or 2, 4 or 8 of them side by side, are full.
PAGE_DEPTHS = (16_384, 8_192, 4_096, 2_048)


@dataclass(frozen=True, kw_only=True)
class LinkConfig:
    """Sizes of frames and results on the wire.

    Parameters
    ----------
    elements : int
        Codes of the input tensor.
    code_bits : int
        Width of a code, 1 to 16.
    scores : int
        Scores of a frame.
    score_bits : int
        Width of a signed score, 1 to 32.
    """

    elements: int
    code_bits: int
    scores: int
    score_bits: int

    def __post_init__(self) -> None:
        if not 1 <= self.code_bits <= 16:
            raise PlanError(
                f"an input code of {self.code_bits} bits cannot be sent; allowed are 1 to 16",
                "Give the network an input of 16 bits or fewer",
            )
        if self.frame_bytes > MAX_FRAME_BYTES:
            raise PlanError(
                f"a frame of {self.frame_bytes} bytes cannot be sent; "
                f"allowed are up to {MAX_FRAME_BYTES}",
                "Give the network a smaller input",
            )
        if not 1 <= self.scores <= MAX_SCORES:
            raise PlanError(
                f"a result of {self.scores} scores cannot be sent; allowed are 1 to {MAX_SCORES}",
                "Give the network an argmax head, which sends one",
            )
        if not 1 <= self.score_bits <= 32:
            raise PlanError(
                f"scores of {self.score_bits} bits cannot be sent; allowed are 1 to 32",
                "Give the network an argmax head, which sends an index",
            )

    @classmethod
    def of(cls, model: Model, *, score_bits: int) -> LinkConfig:
        """The link of ``model``, whose core gives scores of ``score_bits`` bits."""
        graph = model.graph
        return cls(
            elements=graph.input.type.size,
            code_bits=graph.input.type.range.bits,
            scores=graph.types[graph.head.name].size,
            score_bits=score_bits,
        )

    @property
    def field_bits(self) -> int:
        """Width of the field in which a code travels."""
        return field_bits(self.code_bits)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame on the wire, before framing."""
        return packed_bytes(self.elements, self.code_bits)

    @property
    def score_bytes(self) -> int:
        """Bytes of a score."""
        return score_bytes(self.score_bits)

    @property
    def result_bytes(self) -> int:
        """Bytes of a result's scores."""
        return self.scores * self.score_bytes

    @property
    def slots(self) -> int:
        """Frames that the accelerator holds: credits of the host."""
        least = 2 if self.frame_bytes <= MAX_PAIR_BYTES else 1
        return min(MAX_SLOTS, max(least, SLOT_BYTES // self.frame_bytes))

    def frames_per_second(self, baud: int) -> float:
        """Frames per second that a UART carries: ten bits a byte, both ways at once."""
        return baud / 10 / max(packet_bytes(self.frame_bytes), packet_bytes(self.result_bytes))

    @property
    def buffer_bytes(self) -> int:
        """Block RAM for frames, in bytes. `TRANSMIT_BYTES` are needed besides."""
        return self.slots * self.frame_bytes

    @property
    def buffer_pages(self) -> tuple[int, ...]:
        """Depths of the pages of that block RAM; together `buffer_blocks` blocks.

        Whole pages, from the deepest, so that few have to be selected from; what is left
        takes a page of its own, 1 or 2 blocks.
        """
        pages, left = [], self.buffer_bytes
        while left:
            full = (depth for depth in PAGE_DEPTHS if depth <= left)
            depth = left if left <= 2 * PAGE_DEPTHS[-1] else next(full)
            pages.append(depth)
            left -= depth
        return tuple(pages)

    @property
    def buffer_blocks(self) -> int:
        """Block RAMs of 2,048 bytes for frames."""
        return -(-self.buffer_bytes // PAGE_DEPTHS[-1])


def packet_bytes(body: int) -> int:
    """Bytes on the wire of a packet with a body of ``body`` bytes.

    COBS adds one byte for each 254 begun and the delimiter; how many it adds exactly
    depends on the data, and this is the most.
    """
    raw = HEADER_BYTES + body + CRC_BYTES
    return raw + -(-raw // 254) + 1


def uart_divisor(*, clock_hz: float, baud: int) -> int:
    """Clock cycles per bit of a UART.

    Raises
    ------
    PlanError
        The clock is too slow for ``baud``, or no whole divisor comes within 2 % of it.
    """
    divisor = max(1, round(clock_hz / baud))
    remedy = f"Choose a lower baud, or a clock that is a multiple of {baud / 1e6:g} MHz"
    if divisor < UART_BIT_CYCLES:
        raise PlanError(
            f"{baud} baud from a clock of {clock_hz / 1e6:g} MHz leaves "
            f"{clock_hz / baud:.2f} cycles a bit; allowed are {UART_BIT_CYCLES} or more",
            remedy,
        )
    error = clock_hz / divisor / baud - 1
    if abs(error) > UART_ERROR:
        raise PlanError(
            f"{baud} baud from a clock of {clock_hz / 1e6:g} MHz is {error:+.1%} off; "
            f"allowed is {UART_ERROR:.0%}",
            remedy,
        )
    return divisor
