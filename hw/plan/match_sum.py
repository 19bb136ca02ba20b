"""Configuration of the match sums: how lanes are added on carry chains.

A *field* of a carry chain adds two numbers of k bits and one bit that comes in as the
carry, its *rider*, in k + 1 sites. Lanes enter as they are: a site adds the matches of
two lanes, each code ^ flip, and a rider is the match of one. So, for N binary lanes:

1. G = ceil(N / 4) groups: lanes g, G + g and, as rider, 2G + g make a number of two bits.
2. Each further level adds number i to number half + i; a lane not yet used rides in
   each of these G - 1 additions, as long as there are any.
3. One lane is left at most: it rides in the accumulator, and leaves beside the sum.

That is room for 3G + (G - 1) + 1 = 4G lanes. Wider lanes are added two a field at the
first level, G = ceil(N / 2), and have no riders.

The sums are registered after level 1, as the route from the weights' memory takes most
of that cycle; after level 2, where there are still many numbers, so that the routes
between them are long; and then after every ``pipeline`` levels, where the accumulator
counts as one. A rider of a later level is needed as many cycles later as there are
registers in front of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hw.plan.carry import LONGEST_CHAIN, SHORT_CHAIN
from sw.errors import PlanError

__all__ = ["AddLevel", "MatchSumConfig", "require_positive"]


def require_positive(config: object, *names: str) -> None:
    """Refuse a config of which one of these is no whole number of at least 1."""
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int) or value < 1:
            raise PlanError(
                f"{type(config).__name__}.{name} is {value!r}, but must be a whole number >= 1",
                f"Give a positive {name}",
            )


@dataclass(frozen=True, kw_only=True)
class AddLevel:
    """One level of additions.

    Attributes
    ----------
    bits : tuple of int
        Of each field, the width of its operands; a number left over is no field.
    riders : range
        Lanes that ride in the first of the fields.
    delay : int
        Registers between the lanes and this level.
    registered : bool
        Whether its numbers are registered.
    longest_chain : int
        Sites of its carry chains, about; see `hw.plan.carry`.
    maxima : tuple of int
        Greatest value of each number after this level.
    """

    bits: tuple[int, ...]
    riders: range
    delay: int
    registered: bool
    longest_chain: int
    maxima: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class MatchSumConfig:
    """Sum of the matches of ``simd`` lanes, pipelined.

    Parameters
    ----------
    simd : int
        Lanes, at least 1.
    lane_bits : int
        Bits of a code, at least 1.
    pipeline : int
        Levels between registers after the first two, at least 1.
    """

    simd: int
    lane_bits: int = 1
    pipeline: int = 2

    def __post_init__(self) -> None:
        require_positive(self, "simd", "lane_bits", "pipeline")

    @property
    def groups(self) -> int:
        """Fields of the first level."""
        return -(-self.simd // (4 if self.lane_bits == 1 else 2))

    @cached_property
    def levels(self) -> tuple[AddLevel, ...]:
        """The levels, first to last."""
        groups, top = self.groups, 2**self.lane_bits - 1
        count = 1 + (groups - 1).bit_length()
        lanes_used = 2 * groups

        def riders(fields: int) -> range:
            nonlocal lanes_used
            first = lanes_used
            lanes_used += fields
            return range(min(first, self.simd), min(lanes_used, self.simd))

        ridden = riders(groups)
        maxima = [top * (1 + (groups + g < self.simd)) + (g < len(ridden)) for g in range(groups)]
        bits = (self.lane_bits,) * groups
        levels, delay, alone = [], 0, True
        for number in range(1, count + 1):
            registered = number == 1 or number % self.pipeline == 2 % self.pipeline
            levels.append(
                AddLevel(
                    bits=bits,
                    riders=ridden,
                    delay=delay,
                    registered=registered,
                    longest_chain=LONGEST_CHAIN
                    if registered and alone and delay > 1
                    else SHORT_CHAIN,
                    maxima=tuple(maxima),
                )
            )
            delay += registered
            alone = registered
            half = len(maxima) // 2
            ridden = riders(half)
            pairs = list(zip(maxima[:half], maxima[half : 2 * half], strict=True))
            bits = tuple(max(pair).bit_length() for pair in pairs)
            maxima = [
                *(sum(pair) + (i < len(ridden)) for i, pair in enumerate(pairs)),
                *maxima[2 * half :],
            ]
        return tuple(levels)

    @property
    def has_carry(self) -> bool:
        """Whether the last lane leaves beside the sum."""
        return self.lane_bits == 1 and self.simd == 4 * self.groups

    @cached_property
    def delays(self) -> tuple[int, ...]:
        """Of each lane, the cycles that its code comes behind that of lane 0; ascending."""
        delays = [0] * self.simd
        for level in self.levels:
            for lane in level.riders:
                delays[lane] = level.delay
        if self.has_carry:
            delays[-1] = self.latency_cycles
        return tuple(delays)

    @cached_property
    def flip_delays(self) -> tuple[int, ...]:
        """Of each lane, 0 or 1, the cycles that its flip comes behind that of lane 0.

        1 for riders behind a register, which saves them one; but not in a level that
        another follows in the same cycle, as a memory's data come late in theirs.
        """
        late = {
            lane
            for level in self.levels
            for lane in level.riders
            if level.delay > 1 or (level.delay == 1 and level.registered)
        }
        if self.has_carry:
            late.add(self.simd - 1)
        return tuple(int(lane in late) for lane in range(self.simd))

    @property
    def sum_max(self) -> int:
        """Greatest value of the sum, the carry that leaves beside it not counted."""
        return self.simd * (2**self.lane_bits - 1) - self.has_carry

    @property
    def sum_bits(self) -> int:
        """Width of the sum."""
        return self.sum_max.bit_length()

    @property
    def latency_cycles(self) -> int:
        """Cycles from lane 0 to the sum."""
        return sum(level.registered for level in self.levels)
