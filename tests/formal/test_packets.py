"""The packet decoder: COBS, CRC, and the dispatcher of packets."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw.link.cobs import CobsDecoder
from hw.link.crc import CrcAppender, CrcChecker
from hw.link.packets import Dispatcher
from hw.plan.link import LinkConfig
from tests.formal.check import fails, holds
from tests.formal.decoder import Decoding, Dispatching, Passing
from tests.formal.engine import examine
from tests.formal.mutants import mutant

CONFIG = LinkConfig(elements=2, code_bits=8, scores=1, score_bits=8)

#: A packet of a byte, its CRC and its end.
CRC_DEPTH = 6


def test_decoder(tmp_path: Path) -> None:
    holds(Decoding(CobsDecoder()), tmp_path, second=30)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Takes a byte while the token of the last one waits.
        ("self.i_stream.ready.eq(~self.o_stream.valid | self.o_stream.ready)",
         "self.i_stream.ready.eq(1)"),
        # A block cut short is no error.
        ("token.error.eq(left != 0)", "token.error.eq(0)"),
        # A full block stands for a zero too.
        ("zero_due.eq(byte != FULL)", "zero_due.eq(1)"),
        # Out of step after a packet cut short.
        ("                    left.eq(0),\n", ""),
    ],
)  # fmt: skip
def test_broken_decoder(old: str, new: str, tmp_path: Path) -> None:
    fails(Decoding(mutant(CobsDecoder, old, new)()), tmp_path)


def test_tokens_pass_the_crc(tmp_path: Path) -> None:
    holds(Passing(CrcAppender(), CrcChecker()), tmp_path, second=20)


@pytest.mark.parametrize("spoilt", [False, True])
def test_crc(spoilt: bool, tmp_path: Path) -> None:
    """The only proof to a depth; `test_broken_crc` shows that the end lies within it."""
    harness = Passing(CrcAppender(), CrcChecker(), value=True, spoilt=spoilt)
    assert examine(harness, folder=tmp_path, depth=CRC_DEPTH, cover=False).proved


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("crc.crc.word_select(index, 8)", "crc.crc.word_select(index ^ 3, 8)", True),
        # The CRC is three bytes.
        ("ending.eq(index == CRC_BYTES - 1)", "ending.eq(index == CRC_BYTES - 2)", False),
    ],
)
def test_broken_crc(old: str, new: str, value: bool, tmp_path: Path) -> None:
    broken = Passing(mutant(CrcAppender, old, new)(), CrcChecker(), value=value)
    fails(broken, tmp_path, depth=CRC_DEPTH if value else None)


def test_dispatcher(tmp_path: Path) -> None:
    holds(Dispatching(Dispatcher(config=CONFIG), config=CONFIG), tmp_path, second=14)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # A byte too many.
        ("m.Case(HEADER_BYTES - 1 + frame_bytes)", "m.Case(HEADER_BYTES + frame_bytes)"),
        # One in error is accepted.
        ("bad.eq(token.error)", "bad.eq(0)"),
        # An answer that waits is replaced.
        ("resets | (answers & ~waiting)", "resets | answers"),
    ],
)
def test_broken_dispatcher(old: str, new: str, tmp_path: Path) -> None:
    fails(Dispatching(mutant(Dispatcher, old, new)(config=CONFIG), config=CONFIG), tmp_path)
