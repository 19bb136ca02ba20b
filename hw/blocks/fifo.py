"""A queue of beats, for a branch that waits for another."""

from __future__ import annotations

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Counter, make_memory, nest, read_registered
from hw.plan.join import FifoConfig

__all__ = ["StreamFifo"]


class StreamFifo(wiring.Component):
    """Holds up to ``config.depth`` beats; order is kept.

    1. `room`, the free places less one, says by its sign whether the input is ready, so
       that ``ready`` is a register's bit. A place is taken with a beat's arrival and free
       when the beat has left: what stands in the registers behind the memory counts.
    2. `there`, the beats in the memory that were not read, less one, says by its sign
       whether to wait.
    3. A word is read a cycle after it was written or later, and its place written again
       after it has left: never in the same cycle, as `read_registered` asks.

    Parameters
    ----------
    config : FifoConfig

    Members
    -------
    i_stream, o_stream : stream, payload unsigned(width)
    """

    def __init__(self, *, config: FifoConfig) -> None:
        self.config = config
        beat = stream.Signature(unsigned(config.width))
        super().__init__({"i_stream": In(beat), "o_stream": Out(beat)})

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Elaboratable:
        config = self.config
        m = Module()
        room = Signal(range(-1, config.depth), init=config.depth - 1)
        there = Signal(range(-1, config.depth), init=-1)
        write_now, enable, step, leaves = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i_stream.ready.eq(~room[-1]),
            write_now.eq(self.i_stream.valid & self.i_stream.ready),
            leaves.eq(self.o_stream.valid & self.o_stream.ready),
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            step.eq(enable & ~there[-1]),
        ]
        _count(m, room, up=leaves, down=write_now)
        _count(m, there, up=write_now, down=step)

        target, source = Counter(config.depth, "target"), Counter(config.depth, "source")
        nest(m, write_now, target)
        nest(m, step, source)
        m.submodules.memory = memory = make_memory(config.width, config.depth, config.kind)
        write, read = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(write_now),
            write.addr.eq(target.value),
            write.data.eq(self.i_stream.payload),
        ]
        word = read_registered(m, read, source.value, enable, config.read_cycles)
        valid: Value = step
        for cycle in range(config.read_cycles - 1):
            later = Signal(name=f"valid_{cycle}")
            with m.If(enable):
                m.d.sync += later.eq(valid)
            valid = later
        with m.If(enable):
            m.d.sync += self.o_stream.valid.eq(valid)
        m.d.comb += self.o_stream.payload.eq(word)
        return m


def _count(m: Module, counter: Signal, *, up: Value, down: Value) -> None:
    """Add and take away in one chain: the lowest place adds the carry."""
    m.d.sync += counter.eq((Cat(1, counter) + Cat(up, down.replicate(len(counter))))[1:])
