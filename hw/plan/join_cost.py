"""Area of the blocks on streams: fork, FIFO, joins, scale, thresholds, pools, objectness.

Built as `hw.plan.cost` is: sites, registers, block RAMs and DSP blocks are counted as a
block is built, and `LUT` and `FLIP_FLOP` say what the plain logic around them takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from math import ceil

from hw.plan.area import Terms
from hw.plan.cost import Cost, total
from hw.plan.join import AddConfig, ConcatConfig, FifoConfig
from hw.plan.memory import Memory, block_rams, memory_cost, memory_of, rom_bits, rom_luts
from hw.plan.objectness import ObjectnessConfig
from hw.plan.pool import AxisConfig, WindowPoolConfig
from hw.plan.scale import ScaleConfig
from hw.plan.stream_threshold import StreamThresholdConfig
from sw.model.model import BOX_CHANNELS

__all__ = [
    "FLIP_FLOP",
    "LUT",
    "add_cost",
    "add_terms",
    "concat_cost",
    "concat_terms",
    "fifo_cost",
    "fifo_terms",
    "fork_cost",
    "objectness_cost",
    "objectness_terms",
    "scale_cost",
    "scale_terms",
    "threshold_cost",
    "threshold_terms",
    "window_pool_cost",
    "window_pool_terms",
]

#: LUT sites of each of a term; what is counted site by site takes one.
LUT: dict[str, float] = {
    "fifo": 12.0,
    "add": 6.0,
    "concat": 14.0,
    "scale": 4.0,
    "threshold": 8.0,
    "axis": 45.0,
    "border": 34.4,
    "objectness": 8.0,
}

#: Flip-flops of each of a term; of "registers" one.
FLIP_FLOP: dict[str, float] = {
    "fifo": 2.0,
    "add": 2.0,
    "concat": 4.0,
    "scale": 8.0,
    "threshold": 6.0,
    "axis": 10.0,
    "border": 14.0,
    "objectness": 3.0,
}


def _chain(bits: int) -> int:
    """Sites of a carry chain of that many bits, and of its end."""
    return 2 * ceil(bits / 2) + 1


def _bits(turns: int) -> int:
    """Bits of a counter."""
    return (turns - 1).bit_length()


def _cost(terms: Terms) -> Cost:
    return total(terms, LUT, FLIP_FLOP)


def _together(terms: Iterable[Terms]) -> Terms:
    """Sum of some terms."""
    lut: dict[str, float] = {}
    ff: dict[str, float] = {}
    memories: tuple[Memory, ...] = ()
    blocks = bits = 0
    for term in terms:
        for sums, part in ((lut, term.lut), (ff, term.ff)):
            for name, number in part.items():
                sums[name] = sums.get(name, 0) + number
        blocks, bits = blocks + term.bram, bits + term.bram_bits
        memories += term.memories
    return Terms(lut=lut, ff=ff, bram=blocks, bram_bits=bits, memories=memories)


def fork_cost(outputs: int) -> Cost:
    """Fork: a bit for each reader, its ``valid``, and whether all have the beat."""
    return Cost(lut=2 * outputs + ceil(2 * outputs / 3), ff=outputs) if outputs > 1 else Cost()


def fifo_terms(config: FifoConfig) -> Terms:
    """FIFO: memory, the registers behind it, two counts and two addresses."""
    sites, blocks = memory_cost(config.width, config.depth, config.kind)
    count, address = config.depth.bit_length() + 1, _bits(config.depth)
    return Terms(
        lut={"fifo": 1, "sites": sites + 2 * _chain(count + 1) + 2 * address},
        ff={
            "fifo": 1,
            "registers": 2 * (count + address) + (0 if blocks else config.width),
        },
        bram=blocks,
        bram_bits=config.width * config.depth if blocks else 0,
        memories=memory_of(config.width, config.depth, config.kind),
    )


def add_terms(config: AddConfig) -> Terms:
    """Sum: an adder, one of the constant, saturation."""
    total = config.sum_max.bit_length()
    per_lane = _chain(total) + _chain(total + 1) + config.out_bits
    return Terms(
        lut={"add": config.lanes, "sites": config.lanes * per_lane},
        ff={"add": 1, "registers": config.lanes * (total + config.out_bits)},
    )


def concat_terms(config: ConcatConfig) -> Terms:
    """Concatenation: a multiplexer and a register of a beat."""
    word, sources = config.lanes * config.lane_bits, len(config.channels)
    return Terms(
        lut={"concat": 1, "sites": word * ceil((sources - 1) * 2 / 3)},
        ff={"concat": 1, "registers": word},
    )


def _rom_terms(width: int, depth: int, kind: str, cycles: int) -> Terms:
    """Constants and the registers behind them; those of block RAM are in it."""
    if depth == 1:
        return Terms()
    if kind == "block":
        return Terms(
            bram=block_rams(width, depth),
            bram_bits=width * depth,
            memories=memory_of(width, depth, kind),
        )
    return Terms(
        lut={"sites": rom_luts(width, depth)}, ff={"registers": cycles * rom_bits(width, depth)}
    )


def scale_terms(config: ScaleConfig) -> Terms:
    """Scale: constants, operands, products, sums and saturation."""
    lanes, reads = config.lanes, config.read_cycles
    products = sum(config.gain_bits + bits for bits in config.parts)
    several = len(config.parts) > 1
    # Above the code, bits that tell of saturation.
    above = max(0, config.sum_bits - config.shift - config.out_bits)
    per_lane = _chain(config.sum_bits) * (1 + several) + config.out_bits + ceil(above / 3)
    registers = (
        reads * config.source_bits
        + products
        + several * config.sum_bits
        # Of the bits that are shifted out only the carry is kept.
        + config.sum_bits
        - config.shift
        + config.out_bits
    )
    border = {"border": 1} if config.classes > 1 else {}
    return _together(
        [
            Terms(
                lut={"scale": lanes, "sites": lanes * per_lane, **border},
                ff={"scale": 1, "registers": lanes * registers, **border},
            ),
            _rom_terms(
                lanes * config.gain_bits, config.folds, config.gain_kind, config.gain_cycles
            ),
            _rom_terms(lanes * config.offset_bits, config.depth, config.kind, reads),
        ]
    )


def threshold_terms(config: StreamThresholdConfig) -> Terms:
    """Thresholds: levels, comparisons and the count of several."""
    lanes, several = config.lanes, config.levels > 1
    compare = config.levels * _chain(config.level_bits)
    registers = config.read_cycles * config.source_bits + config.levels + several * config.out_bits
    border = {"border": 1} if config.classes > 1 else {}
    return _together(
        [
            Terms(
                lut={
                    "threshold": 1,
                    "sites": lanes * (compare + several * config.out_bits),
                    **border,
                },
                ff={"threshold": 1, "registers": lanes * registers, **border},
            ),
            _rom_terms(lanes * config.word_bits, config.depth, config.kind, config.read_cycles),
        ]
    )


def _axis_terms(config: AxisConfig) -> Terms:
    """An axis: the windows' memory, what combines, the walk."""
    if config.passes:
        return Terms()
    word, reads = config.lanes * config.o_bits, config.read_cycles
    sites, blocks = 0.0, 0
    if config.memory != "none":
        sites, blocks = memory_cost(config.word_bits, config.inner, config.memory)
    # Of codes it takes a comparison, of sums an adder, and a LUT a bit that chooses. The greater
    # of two bits is a LUT with all that. What leaves of a maximum is chosen on its own.
    codes, sums = config.o_bits > 1, config.kind == "sum"
    combine = _chain(config.o_bits) if codes or sums else 0
    leaves = config.o_bits if config.slots and not sums else 0
    per_lane = config.slots * (combine + config.o_bits) + leaves
    walk = _bits(config.inner) + _bits(config.length) + _bits(config.period)
    # A beat waits for its word; of block RAM the word's own registers are inside.
    waiting = reads * (config.lanes * config.i_bits + _bits(config.inner) + 4)
    kept = 0 if blocks else config.word_bits
    return Terms(
        lut={"axis": 1, "sites": sites + config.lanes * per_lane},
        ff={"axis": 1, "registers": word + waiting + kept + walk},
        bram=blocks,
        bram_bits=config.word_bits * config.inner if blocks else 0,
        memories=(
            memory_of(config.word_bits, config.inner, config.memory)
            if config.memory != "none"
            else ()
        ),
    )


def window_pool_terms(config: WindowPoolConfig) -> Terms:
    """Pool: one axis after the other."""
    return _together([_axis_terms(config.columns), _axis_terms(config.rows)])


def objectness_terms(config: ObjectnessConfig) -> Terms:
    """Objectness: levels, a comparison, a score's register, which score of a box it is."""
    turn, channel = _bits(config.levels), _bits(BOX_CHANNELS)
    # A long counter is a carry chain, and whether it has come to its end takes LUTs.
    count = turn if turn <= 6 else _chain(turn) + ceil(turn / 3)
    return _together(
        [
            Terms(
                lut={
                    "objectness": 1,
                    "sites": _chain(config.level_bits) + count + channel,
                },
                ff={"objectness": 1, "registers": config.score_bits + turn + channel},
            ),
            _rom_terms(config.level_bits, config.levels, config.kind, config.read_cycles),
        ]
    )


@cache
def fifo_cost(config: FifoConfig) -> Cost:
    """FIFO: memory, counts and addresses."""
    return _cost(fifo_terms(config))


@cache
def add_cost(config: AddConfig) -> Cost:
    """Saturating sum of two streams."""
    return _cost(add_terms(config))


@cache
def concat_cost(config: ConcatConfig) -> Cost:
    """Concatenation of streams."""
    return _cost(concat_terms(config))


@cache
def scale_cost(config: ScaleConfig) -> Cost:
    """Scale: a DSP block a lane, or two, and what is around them."""
    return replace(_cost(scale_terms(config)), dsp=config.dsp)


@cache
def threshold_cost(config: StreamThresholdConfig) -> Cost:
    """Thresholds on a stream."""
    return _cost(threshold_terms(config))


@cache
def objectness_cost(config: ObjectnessConfig) -> Cost:
    """Marks on the boxes among a detector's scores."""
    return _cost(objectness_terms(config))


@cache
def window_pool_cost(config: WindowPoolConfig) -> Cost:
    """Pool of any window, stride and padding."""
    return _cost(window_pool_terms(config))
