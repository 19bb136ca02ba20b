"""Binary layers: their values and gradients against formulas written out."""

from __future__ import annotations

import numpy as np
import torch

from sw.train.layers import ApproxSign, BatchNorm, BinaryConv, BinaryDense, Head, sign


def test_sign_of_zero_is_plus_one() -> None:
    assert sign(torch.tensor([-2.0, -0.0, 0.0, 3.0])).tolist() == [-1, 1, 1, 1]


def test_approx_sign_gradient() -> None:
    x = torch.tensor([-1.5, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 2.0], requires_grad=True)
    y = ApproxSign()(x)
    assert y.tolist() == [-1, -1, -1, -1, 1, 1, 1, 1, 1]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0.5, 1.5, 2, 1.5, 0.5, 0, 0]


def test_weights_are_signs_and_gradients_pass_through() -> None:
    torch.manual_seed(0)
    dense = BinaryDense(6, 4)
    x = torch.randn(3, 6)
    dense.eval()
    expected = x @ torch.where(dense.weight >= 0, 1.0, -1.0).T
    torch.testing.assert_close(dense(x), expected)
    dense(x).sum().backward()
    assert dense.weight.grad is not None
    torch.testing.assert_close(dense.weight.grad, x.sum(0).expand(4, 6))
    with torch.no_grad():
        dense.weight.mul_(100)
    dense.clip()
    assert dense.weight.abs().max() == 1


def test_padding_skips_taps() -> None:
    torch.manual_seed(0)
    conv = BinaryConv(2, 3, 3).eval()
    x = sign(torch.randn(1, 2, 4, 4))
    # In the corner, only 2 x 2 of the taps count.
    corner = (x[0, None, :, :2, :2] * sign(conv.weight)[:, :, 1:, 1:]).sum((1, 2, 3))
    torch.testing.assert_close(conv(x)[0, :, 0, 0], corner)


def test_bfloat16_is_for_training_only(rng: np.random.Generator) -> None:
    conv = BinaryConv(64, 8, 3)
    conv.dtype = torch.bfloat16
    x = sign(torch.from_numpy(rng.standard_normal((2, 64, 5, 5), np.float32)))
    assert conv.train()(x).dtype == torch.bfloat16
    y = conv.eval()(x)
    assert y.dtype == torch.float32
    assert torch.equal(y, y.round())


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


def test_head_rounds_its_biases() -> None:
    head = Head(16, 3).eval()
    with torch.no_grad():
        head.bias.copy_(torch.tensor([0.4, -1.6, 3.5]))
    x = torch.ones(1, 16)
    scores = head(x) / head.log_scale.exp() - head.dense(x)
    np.testing.assert_allclose(scores.detach().numpy(), [[0, -2, 4]], atol=1e-4)
