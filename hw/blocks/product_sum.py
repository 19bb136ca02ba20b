"""Sums of products of codes and weights, on DSP blocks or in LUTs."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.blocks.carry import Choice, Lanes, add_fields
from hw.blocks.gated import Gated, add_gated
from hw.plan.integer import IntegerArrayConfig
from hw.plan.product_sum import DIGIT_BITS, ProductSumConfig

__all__ = ["ProductRow", "ProductSum"]


class ProductSum(wiring.Component):
    """``sum of code * weight`` over ``simd`` lanes; every level of additions has a register.

    On DSP blocks each product is one of them, between the registers that codes and weights
    come from and one of its own. In LUTs see `ProductSumConfig`.

    Parameters
    ----------
    config : ProductSumConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
        Lane i in bits ``[i*lane_bits, (i+1)*lane_bits)``.
    weights : unsigned(simd * weight_bits), in
        Two's complement, in the same order.
    sum : signed or unsigned, out
        Of the values ``config.sum_values``; `latency_cycles` behind them.
    """

    def __init__(self, *, config: ProductSumConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "weights": In(config.simd * config.weight_bits),
                "sum": Out(Signal(config.sum_values).shape()),
            }
        )

    @property
    def latency_cycles(self) -> int:
        return self.config.latency_cycles

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        products = [self._products(m, platform, lane) for lane in range(config.simd)]
        sums = [
            self._summed(m, digit, [lane[digit] for lane in products])
            for digit in range(len(config.products))
        ]
        shift = DIGIT_BITS
        for level, ranges in enumerate(config.joins[1:]):
            joined: list[Value] = []
            for number, values in enumerate(ranges):
                register = Signal(values, name=f"joined_{level}_{number}", reset_less=True)
                pair = sums[2 * number : 2 * number + 2]
                m.d.sync += register.eq(pair[0] + (pair[1] << shift) if len(pair) > 1 else pair[0])
                joined.append(register)
            sums, shift = joined, 2 * shift
        m.d.comb += self.sum.eq(sums[0])
        return m

    def _products(self, m: Module, platform: object, lane: int) -> list[Value]:
        """The products of a lane, with each digit, lowest first."""
        config = self.config
        code = self.codes.word_select(lane, config.lane_bits)
        weight = self.weights.word_select(lane, config.weight_bits)
        if config.multiplier == "dsp":
            return [code * weight.as_signed()]
        parts = weight if config.splits_weights else code
        products: list[Value] = []
        for number, (bits, values) in enumerate(
            zip(config.digit_bits, config.products, strict=True)
        ):
            digit = parts[number * DIGIT_BITS :][:bits]
            # The highest bit of a weight counts as negative.
            subtract = config.splits_weights and number == len(config.digit_bits) - 1
            if bits == 1 and not subtract:
                products.append(
                    Mux(digit, code if config.splits_weights else weight.as_signed(), 0)
                )
                continue
            # Weights have their sign in the bits above, codes have zeros there.
            width = len(Signal(values))
            above = [None] * width if config.splits_weights else [weight[-1]] * width
            whole = [*(code if config.splits_weights else weight), *above]
            total = add_gated(
                m,
                platform,
                name=f"product_{lane}_{number}",
                number=Gated(whole[:width] if bits > 1 else [None] * width, digit[0]),
                other=Gated([*[None] * (bits - 1), *whole][:width], digit[-1]),
                subtract=subtract,
            )
            products.append(total.as_signed() if values.start < 0 else total)
        return products

    def _summed(self, m: Module, digit: int, numbers: list[Value]) -> Value:
        """The sum of one product of each lane."""
        config = self.config
        values = config.products[digit]
        for level, lanes in enumerate(config.tree):
            half = len(numbers) // 2 if level else 0
            if level:
                rest = numbers[2 * half :]
                numbers = [numbers[i] + numbers[half + i] for i in range(half)] + rest
            registers: list[Value] = []
            for index, (number, count) in enumerate(zip(numbers, lanes, strict=True)):
                bounds = range(values.start * count, values[-1] * count + 1)
                register = Signal(bounds, name=f"sum_{digit}_{level}_{index}", reset_less=True)
                m.d.sync += register.eq(number)
                registers.append(register)
            numbers = registers
        return numbers[0]


class ProductRow(wiring.Component):
    """Sum of products and accumulator of a row of the integer array.

    Parameters
    ----------
    config : IntegerArrayConfig

    Attributes
    ----------
    codes : unsigned(simd * lane_bits), in
    weights : unsigned(simd * weight_bits), in
        As `ProductSum`.
    valid, keep, last : unsigned(1), in
        `ProductSum`'s latency behind the beat: add the sum; to the accumulator, not to the
        start value; it is the fold's last.
    start : unsigned(sum_bits), in
        With a fold's first sum.
    result : unsigned(acc_bits), out
        From the cycle after the last beat's sum, for a cycle.
    """

    def __init__(self, *, config: IntegerArrayConfig) -> None:
        self.config = config
        super().__init__(
            {
                "codes": In(config.simd * config.lane_bits),
                "weights": In(config.simd * config.weight_bits),
                "valid": In(1),
                "keep": In(1),
                "last": In(1),
                "start": In(config.sum_bits),
                "result": Out(config.acc_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.product_sum = product_sum = ProductSum(config=config.product_sum)
        m.d.comb += [product_sum.codes.eq(self.codes), product_sum.weights.eq(self.weights)]
        added = Signal(signed(config.sum_bits))
        m.d.comb += added.eq(product_sum.sum * config.step)
        accumulator = Signal(config.sum_bits, reset_less=True)
        start = list(self.start) if config.has_start else [None] * config.sum_bits
        folded = config.fold_beats > 1
        total: Value = added
        if folded or config.has_start:
            left = [
                Choice(self.keep, *bits) if folded else Lanes(self.start[place])
                for place, bits in enumerate(zip(accumulator, start, strict=True))
            ]
            sums = add_fields(
                m,
                platform,
                name="total",
                bits=[config.sum_bits],
                left=left,
                right=[Lanes(bit) for bit in added],
                carry_out=False,
            )
            total = Cat(*sums)
        with m.If(self.valid):
            m.d.sync += accumulator.eq(total)
        m.d.comb += self.result.eq(accumulator)
        return m
