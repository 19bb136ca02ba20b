"""Constants of each channel and border class, read as a stream goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib.memory import Memory

from hw.blocks.counters import Counter, nest, read_registered
from hw.blocks.threshold import ThresholdAddress
from hw.plan.array import ThresholdConfig

__all__ = ["Place", "Rom", "walk_channels"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the beat at the input belongs, known before it comes.

    ``fold`` counts the beats of a pixel; ``address`` is ``class * folds + fold``. They
    are ``known`` but in the first cycle of all, in which no beat may be taken.
    """

    fold: Value
    address: Value
    known: Value


def walk_channels(
    m: Module,
    accept: Value,
    *,
    folds: int,
    y_classes: tuple[int, ...],
    x_classes: tuple[int, ...],
) -> Place:
    """The place of the beat at hand, moved on as ``accept`` says that one is taken."""
    fold = Counter(folds, "fold")
    nest(m, accept, fold)
    if max(y_classes) == max(x_classes) == 0:
        return Place(fold=fold.value, address=fold.value, known=Const(1, 1))
    m.submodules.walk = walk = ThresholdAddress(
        config=ThresholdConfig(
            channels=folds, levels=1, match_bits=1, y_classes=y_classes, x_classes=x_classes
        ),
        neuron_folds=folds,
    )
    # The walk is a step behind, so that it makes one before the first beat.
    known = Signal()
    m.d.sync += known.eq(1)
    m.d.comb += walk.advance.eq(accept | ~known)
    return Place(fold=fold.value, address=walk.address, known=known)


@dataclass(frozen=True, kw_only=True)
class Rom:
    """How constants are read: from "lut" or "block", ``cycles`` registers with ``enable``."""

    kind: str
    cycles: int
    enable: Value

    def read(self, m: Module, name: str, words: Sequence[int], width: int, address: Value) -> Value:
        """``words[address]``, that many cycles later; a constant where all are equal."""
        if len(set(words)) == 1:
            return Const(words[0], width)
        memory = Memory(
            shape=width,
            depth=len(words),
            init=words,
            attrs={"ram_style": "block" if self.kind == "block" else "logic"},
        )
        m.submodules[name] = memory
        port = memory.read_port(domain="comb")
        return read_registered(m, port, address, self.enable, self.cycles)
