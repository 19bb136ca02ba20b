"""Memories of weights and thresholds, which nothing writes once frames come."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from hw.blocks.load import LoadBus
from hw.fabric import family_of
from hw.plan.block_ram import SPRAM
from hw.plan.weights import WEIGHT_LATENCY, WeightConfig

__all__ = ["WeightMemory", "columns"]


class WeightMemory(wiring.Component):
    """Words known when the design is built, read in `latency_cycles`.

    A "block" memory is a synchronous read and a register behind it: block RAM is
    slow from clock to output, and the register keeps that out of the first level
    of logic; a second one where PEs may be far away, or where one of several pages is
    chosen. Ninth words are gathered from what is read along with the others. A "lut"
    memory registers the address and the word, with constants in logic in between. A
    memory of one word is a constant. An "spram" memory has two registers as well, and is
    empty until it is loaded.

    Parameters
    ----------
    config : WeightConfig
    words : sequence of int
        ``depth`` words of ``width`` bits.
    loaded : bool
        An "spram" memory holds its words from the start, as no device does.
    early : bool
        Whether `early` is wanted, which block RAM and SPRAM allow.

    Attributes
    ----------
    address : unsigned, in
        Of the word; with ``config.ninths`` its place among the words that have one, and
        of a ninth word anything.
    ninth : unsigned(1), in
        With ``config.ninths`` only: the word is a ninth one, the eight before it having been
        read in their order.
    taken : unsigned(1), in
        With ``config.ninths`` only: the last cycle of the word that is addressed. Until then
        it may stand.
    load : LoadBus(config.sprams), in
        Of an "spram" memory that is not ``loaded``; a word is written at ``address``, and
        ``end`` is its user's matter.
    data : unsigned(width), out
    early : unsigned(width), out
        Where it is wanted: ``data`` of the next cycle.
    """

    def __init__(
        self,
        *,
        config: WeightConfig,
        words: Sequence[int],
        loaded: bool = True,
        early: bool = False,
    ) -> None:
        assert len(words) == config.depth, f"{len(words)} words for a depth of {config.depth}"
        assert max(words) < 2**config.width, "a word is too wide"
        self.config = config
        self.words = [int(word) for word in words]
        members = {"address": In(range(config.places)), "data": Out(config.width)}
        if early:
            assert config.memory != "lut" and config.depth > 1, "nothing is early there"
            members["early"] = Out(config.width)
        self._early = early
        if config.ninths:
            members |= {"ninth": In(1), "taken": In(1)}
        self._loaded = loaded or not config.sprams
        if not self._loaded:
            members["load"] = In(LoadBus(config.sprams))
        super().__init__(members)

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        if config.depth == 1:
            m.d.comb += self.data.eq(self.words[0])
            return m
        # Data needs no reset, and thousands of bits of it would load the reset's net.
        word = Signal(config.width, reset_less=True)
        m.d.comb += self.data.eq(word)
        if config.memory == "lut":
            address = Signal.like(self.address, reset_less=True)
            m.d.sync += [address.eq(self.address), word.eq(self._memory(m, "comb", address))]
            return m
        if config.memory == "spram":
            read = Cat(*(self._spram(m, platform, place) for place in range(config.sprams)))
            read = read[: config.width]
        else:
            read = self._memory(m, "sync", self.address)
        if config.latency_cycles == WEIGHT_LATENCY:
            self._register(m, word, read)
            return m
        # The block RAM's own register, and with it what was asked for.
        near = Signal(len(read), name="near", reset_less=True)
        m.d.sync += near.eq(read)
        width = config.width + config.part
        page: Value = near
        if config.pages > 1:
            high = self.address[exact_log2(config.page_depth) :]
            pages = [near.word_select(i, width) for i in range(config.pages)]
            page = _choose(pages, _behind(m, high, "page"))
        if not config.ninths:
            self._register(m, word, page)
            return m
        gathered = Signal(config.width, reset_less=True)
        with m.If(_behind(m, self.taken, "taken")):
            m.d.sync += gathered.eq(Cat(gathered, page[config.width :])[config.part :])
        ninth = Mux(_behind(m, self.ninth, "ninth"), gathered, page[: config.width])
        self._register(m, word, ninth)
        return m

    def _register(self, m: Module, word: Signal, value: Value) -> None:
        """The last register, and what it takes where that is wanted."""
        m.d.sync += word.eq(value)
        if self._early:
            m.d.comb += self.early.eq(value)

    def _memory(self, m: Module, domain: str, address: Value) -> Value:
        """All pages, side by side, read by the low bits of ``address``."""
        config = self.config
        words, width = self._with_ninths(), config.width + config.part
        rows = [
            sum(word << page * width for page, word in enumerate(words[row :: config.page_depth]))
            for row in range(config.page_depth)
        ]
        block = config.memory == "block"
        step = config.block_width if block else config.row_width
        parts = []
        for first in range(0, config.row_width, step):
            bits = min(step, config.row_width - first)
            m.submodules[f"part_{first // step}"] = memory = Memory(
                shape=bits,
                depth=config.page_depth,
                init=[row >> first & (1 << bits) - 1 for row in rows],
                attrs={"ram_style": "block" if block else "logic"},
            )
            port = memory.read_port(domain=domain)
            m.d.comb += port.addr.eq(address)
            parts.append(port.data)
        return Cat(*parts)

    def _spram(self, m: Module, platform: object, place: int) -> Value:
        """Bits ``16 * place`` and on: the device's cell, or in simulation what it does."""
        address, write, data = Signal(range(SPRAM.deepest)), Signal(), Signal(SPRAM.width)
        m.d.comb += address.eq(self.address)
        load = Const(0, SPRAM.width)
        if not self._loaded:
            load = self.load.data
            m.d.comb += write.eq(self.load.write[place])
        family = family_of(platform)
        if family is not None:
            assert family == "ice40" and not self._loaded, "SPRAM is empty, and iCE40's alone"
            m.submodules[f"spram_{place}"] = Instance(
                SPRAM.name,
                i_CLOCK=ClockSignal(),
                i_ADDRESS=address,
                i_DATAIN=load,
                i_WREN=write,
                i_MASKWREN=Const(-1, 4),
                i_CHIPSELECT=Const(1),
                i_STANDBY=Const(0),
                i_SLEEP=Const(0),
                # Low takes the power off.
                i_POWEROFF=Const(1),
                o_DATAOUT=data,
            )
            return data
        words = columns(self.words, self.config.width)[place] if self._loaded else []
        memory = Memory(shape=SPRAM.width, depth=SPRAM.deepest, init=words)
        m.submodules[f"spram_{place}"] = memory
        read = memory.read_port()
        m.d.comb += [read.addr.eq(address), read.en.eq(~write), data.eq(read.data)]
        if not self._loaded:
            port = memory.write_port()
            m.d.comb += [port.addr.eq(address), port.data.eq(load), port.en.eq(write)]
        return data

    def _with_ninths(self) -> list[int]:
        """The words as they are kept: eight of nine, each with its part of the ninth."""
        config = self.config
        if not config.ninths:
            return self.words
        words, mask = [], 2**config.part - 1
        for first in range(0, config.depth, 9):
            *eight, ninth = self.words[first : first + 9]
            for index, word in enumerate(eight):
                words.append(word | (ninth >> index * config.part & mask) << config.width)
        return words


def columns(words: Sequence[int], width: int) -> list[list[int]]:
    """The words of a memory of ``width`` bits as they lie across its SPRAMs, bits 0 to 15 first."""
    step, mask = SPRAM.width, (1 << SPRAM.width) - 1
    return [[word >> first & mask for word in words] for first in range(0, width, step)]


def _choose(words: list[Value], select: Value) -> Value:
    """``words[select]``, four at a time: two LUT4s a bit."""
    if len(words) == 1:
        return words[0]
    low, high = select[0], select[1] if len(select) > 1 else Const(0, 1)
    chosen = []
    for first in range(0, len(words), 4):
        # What there is not may be anything.
        a, b, c, d = (words[min(first + i, len(words) - 1)] for i in range(4))
        if len(words) - first == 1:
            chosen.append(a)
            continue
        # The first LUT passes `low` on where it does not choose; the second uses it there.
        lower = Mux(high, low.replicate(len(a)), Mux(low, b, a))
        chosen.append(Mux(high, (c & ~lower) | (d & lower), lower))
    return _choose(chosen, select[2:])


def _behind(m: Module, value: Value, name: str) -> Signal:
    """``value`` as it was when the word was addressed that has come out of block RAM."""
    for cycle in (1, 2):
        register = Signal(len(value), name=f"{name}_{cycle}", reset_less=True)
        m.d.sync += register.eq(value)
        value = register
    return register
