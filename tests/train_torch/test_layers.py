"""Layers of binary networks: values and gradients against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sw.train.layers.gradients import (
    approx_sign,
    clip_sign,
    round_through,
    sign,
    surrogate_step,
    surrogate_ternary,
    tight_sign,
)
from sw.train.layers.node import Average, Head, Layer, ReadBits, Total
from sw.train.layers.norm import BatchNorm, FixedPoint
from sw.train.layers.outputs import RESIDUAL_LIMIT, RESIDUAL_UNIT, Bits, Fixed
from sw.train.layers.products import ConvProduct, DenseProduct

X = [-1.5, -1.0, -0.75, -0.4, -0.25, 0.0, 0.25, 0.4, 0.75, 1.0, 2.0]


def slopes(function, values: list[float] = X) -> tuple[list[float], list[float]]:
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = function(x)
    y.sum().backward()
    assert x.grad is not None
    return y.tolist(), x.grad.tolist()


def test_sign_of_zero_is_plus_one() -> None:
    assert sign(torch.tensor([-2.0, -0.0, 0.0, 3.0])).tolist() == [-1, 1, 1, 1]


def test_straight_through() -> None:
    values, gradients = slopes(clip_sign)
    assert values == [-1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1]
    assert gradients == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_approx_sign() -> None:
    values, gradients = slopes(approx_sign)
    assert values == [-1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1]
    assert gradients == pytest.approx([0, 0, 0.5, 1.2, 1.5, 2, 1.5, 1.2, 0.5, 0, 0])


def test_tight_derivative_of_trained_binarization() -> None:
    expected = [0, 0.4, 0.4, 0.4, 1, 2, 1, 0.4, 0.4, 0.4, 0]
    assert slopes(tight_sign)[1] == pytest.approx(expected)
    values, gradients = slopes(lambda x: surrogate_step(x, "tight"))
    assert values == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
    assert gradients == pytest.approx(expected)


def test_rounded_to_three_levels() -> None:
    values, gradients = slopes(surrogate_ternary, [-3, -1, -0.51, -0.5, 0, 0.5, 0.51, 1, 3])
    assert values == [-1, -1, -1, 0, 0, 0, 1, 1, 1]
    assert gradients == [0, 1, 1, 1, 1, 1, 1, 1, 0]
    assert slopes(round_through, [0.4, 1.5, 2.5]) == ([0, 2, 2], [1, 1, 1])


def gradient_of(product: DenseProduct, x: Tensor, upstream: Tensor) -> Tensor:
    """Of the latent weights, where the sums times the factor have gradient ``upstream``."""
    total, factor = product(x), product.factor()
    (total if factor is None else total * factor).backward(upstream)
    assert product.weight.grad is not None
    return product.weight.grad


def test_weight_gradients() -> None:
    torch.manual_seed(0)
    x, upstream = torch.randn(5, 6), torch.randn(5, 4)
    #: Gradient of a real weight, were the product real.
    real = upstream.T @ x
    for kind in ("ste", "magnitude", "mean"):
        product = DenseProduct(6, 4, kind=kind)
        with torch.no_grad():
            product.weight.copy_(torch.randn(4, 6))
        weight = product.weight.detach()
        inside, mean = (weight.abs() <= 1).float(), weight.abs().mean(1, keepdim=True)
        expected = real * inside
        if kind != "ste":
            expected = expected * mean
        if kind == "mean":
            # d mean|W| / dW = sign(W) / n, times what the factor's gradient is.
            through = (real * sign(weight)).sum(1, keepdim=True)
            expected = expected + through * weight.sign() / 6
        torch.testing.assert_close(gradient_of(product, x, upstream), expected)


def test_trained_scales() -> None:
    torch.manual_seed(0)
    product = DenseProduct(6, 4, kind="trained", derivative="tight")
    x, upstream = torch.randn(5, 6), torch.randn(5, 4)
    with torch.no_grad():
        product.source_scale.fill_(0.7)
    weight = product.weight.detach()
    torch.testing.assert_close(product.scale.detach(), weight.abs().mean(1))
    gradient = gradient_of(product, x, upstream)
    scale = product.scale.detach()[:, None] * 0.7
    slope = torch.where(weight.abs() <= 0.4, 2 - 4 * weight.abs(), 0.4)
    torch.testing.assert_close(gradient, (upstream.T @ x) * scale * slope)
    sums = x @ sign(weight).T
    assert product.scale.grad is not None and product.source_scale.grad is not None
    torch.testing.assert_close(product.scale.grad, (upstream * sums).sum(0) * 0.7)
    whole = (upstream * sums * product.scale.detach()).sum()
    torch.testing.assert_close(product.source_scale.grad, whole)
    assert product.scales() == [product.scale]


def test_weights_of_several_bits() -> None:
    torch.manual_seed(0)
    product = DenseProduct(6, 4, bits=8)
    x, upstream = torch.randn(5, 6), torch.randn(5, 4)
    integers, factor = product.quantised().detach(), product.factor()
    assert factor is not None
    assert integers.abs().amax(1).tolist() == [127] * 4
    assert (integers * factor[:, None] - product.weight).abs().max() <= factor.max() / 2 + 1e-7
    torch.testing.assert_close(gradient_of(product, x, upstream), upstream.T @ x)
    shared = DenseProduct(6, 4, bits=5, per_tensor=True)
    assert shared.quantised().abs().max() == 15
    factor = shared.factor()
    assert factor is not None and len(set(factor.tolist())) == 1


def test_latent_weights_are_clipped() -> None:
    binary, other = DenseProduct(6, 4), DenseProduct(6, 4, bits=8)
    for product in (binary, other):
        with torch.no_grad():
            product.weight.mul_(100)
        product.clip()
    assert binary.weight.abs().max() == 1
    assert other.weight.abs().max() > 1


def test_padding_skips_taps() -> None:
    torch.manual_seed(0)
    conv = ConvProduct(2, 3, 3).eval()
    x = sign(torch.randn(1, 2, 4, 4))
    # In the corner, only 2 x 2 of the taps count.
    corner = (x[0, None, :, :2, :2] * sign(conv.weight)[:, :, 1:, 1:]).sum((1, 2, 3))
    torch.testing.assert_close(conv(x)[0, :, 0, 0], corner)


def test_bfloat16_is_for_training_only(rng: np.random.Generator) -> None:
    conv, exact = ConvProduct(64, 8, 3), ConvProduct(64, 8, 3, bits=8)
    x = sign(torch.from_numpy(rng.standard_normal((2, 64, 5, 5), np.float32)))
    with torch.autocast("cpu", torch.bfloat16):
        assert conv.train()(x).dtype == torch.bfloat16
        assert exact.train()(x).dtype == torch.float32
        y = conv.eval()(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, y.round())


def test_sums_beyond_float32(rng: np.random.Generator) -> None:
    """8 x 8 bits and a long fan-in: float64 keeps every unit."""
    product = DenseProduct(4096, 3, bits=8).eval()
    with torch.no_grad():
        product.weight.uniform_(-1, 1)
    x = torch.from_numpy(rng.integers(0, 256, (20, 4096)).astype(np.float32))
    exact = x.numpy().astype(np.int64) @ product.integers().astype(np.int64).T
    np.testing.assert_array_equal(product(x).detach().numpy().astype(np.int64), exact)


def test_batch_norm_in_training_and_after() -> None:
    torch.manual_seed(0)
    norm, reference = BatchNorm(3), torch.nn.BatchNorm2d(3)
    for _ in range(5):
        x = torch.randn(8, 3, 4, 4) * 3 + 1
        torch.testing.assert_close(norm(x), reference(x))
    norm.eval()
    reference.eval()
    x = torch.randn(8, 3, 4, 4)
    torch.testing.assert_close(norm(x), reference(x))
    scale, shift = (value.detach().numpy() for value in norm.affine())
    exact = x.numpy() * scale[:, None, None] + shift[:, None, None]
    np.testing.assert_array_equal(norm(x).detach().numpy(), exact)


def test_fixed_point_against_integers(rng: np.random.Generator) -> None:
    gain = torch.from_numpy(rng.normal(0, [1e-4, 3, 200], 3))
    offset = torch.from_numpy(rng.normal(0, 500, 3))
    for factor in (1.0, 100.0, 1e4):
        fixed = FixedPoint(gain * factor, offset * factor, -300, 32767)
        assert fixed.gain.abs().max() < 2**17
        x = rng.integers(-(2**23), 2**23, (50, 3))
        half = 1 << fixed.shift - 1 if fixed.shift else 0
        total = x * fixed.gain.long().numpy() + fixed.offset.long().numpy() + half
        expected = np.clip(total >> fixed.shift, -300, 32767)
        np.testing.assert_array_equal(fixed(torch.from_numpy(x)).numpy(), expected)
    # As precise as 18 bits allow.
    assert FixedPoint(torch.tensor([1.0]), torch.zeros(1), 0, 1).gain.item() == 2**16


def test_trainable_range_of_ternary_outputs() -> None:
    bits = Bits(2, kind="ternary", derivative="clip").train()
    total = torch.randn(64, 2) * 5
    output = bits(total, None)
    assert sorted(set(output.detach().flatten().tolist())) == [-1, 0, 1]
    output.sum().backward()
    norm = functional.batch_norm(total, None, None, training=True)
    assert bits.range.grad is not None
    torch.testing.assert_close(bits.range.grad, (norm * (norm.abs() <= 1)).sum())
    with torch.no_grad():
        bits.range.fill_(0.1)
    assert bits(total, None).abs().sum() == 0


def test_codes_and_residuals_in_training() -> None:
    torch.manual_seed(0)
    total = torch.randn(256, 2) * 40
    norm = functional.batch_norm(total, None, None, training=True)
    code = Fixed.code(2, 8, relu=True)
    expected = (norm * 64).round().clamp(0, 255)
    torch.testing.assert_close(code.train()(total, None), expected)
    residual = Fixed.residual(2)
    expected = (norm * 1024).round()
    torch.testing.assert_close(residual.train()(total, None), expected, atol=1, rtol=0)
    x = torch.tensor([[RESIDUAL_LIMIT - 10.0]])
    assert Total()(x, x).item() == RESIDUAL_LIMIT
    assert Total()(-x, -x).item() == -RESIDUAL_LIMIT


def test_bits_of_a_stream() -> None:
    x = torch.tensor([[-512.0, 0.0, 512.0, 2048.0]], requires_grad=True)
    read = ReadBits(kind="sign", derivative="approx")
    y = read(x)
    assert y.tolist() == [[-1, 1, 1, 1]]
    y.sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad * RESIDUAL_UNIT, torch.tensor([[1.0, 2.0, 1.0, 0.0]]))
    read.pretraining = True
    assert read(x).tolist() == [[-0.5, 0, 0.5, 1]]


def test_average_follows_what_it_meets() -> None:
    torch.manual_seed(0)
    average = Average((2, 2))
    x = torch.randn(8, 3, 4, 4) * 100
    for _ in range(200):
        y = average.train()(x)
    assert y.abs().max() == 127
    difference = average.eval()(x) - y
    assert difference.abs().max() <= 1
    assert torch.equal(average(x), average(x).round())


def test_pool_of_sums_is_before_the_norm() -> None:
    torch.manual_seed(0)
    layer = Layer(ConvProduct(1, 2, 3), Bits(2, kind="sign", derivative="clip"), (2, 2)).eval()
    with torch.no_grad():
        layer.output.norm.gamma.copy_(torch.tensor([1.0, -1.0]))
    x = torch.randint(0, 256, (1, 1, 6, 6)).float()
    pooled = functional.max_pool2d(layer.product(x), 2)
    assert torch.equal(layer(x)[:, 1], sign(-pooled[:, 1] / (1 + 1e-5) ** 0.5))


def test_head_rounds_its_biases() -> None:
    head = Head(DenseProduct(16, 3), 3, 0.5).eval()
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.2, -0.8, 1.75]))
    x = torch.ones(1, 16)
    scores = head(x) - head.product(x)
    assert scores.tolist() == [[0, -2, 4]]
    assert head.scale().item() == pytest.approx(0.5)
