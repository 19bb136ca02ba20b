"""Random float graphs, within the contract, whose float sums are exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sw.importers.chain import Chain
from sw.model.float_ir import FloatConv, FloatDense, FloatGraph, Step, Uniform

#: Rounding modes that the trained network might use.
ROUNDINGS = ("half_even", "half_up", "half_away", "half_to_zero", "floor", "ceil", "to_zero")


def random_weights(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """+-s with s a power of two, for the tensor or for each output."""
    signs = rng.choice(np.array([-1, 1], np.float32), shape)
    per_channel = shape[:1] + (1,) * (len(shape) - 1)
    exponents = rng.integers(-3, 3, per_channel if rng.random() < 0.5 else ())
    return (signs * np.float32(2.0) ** exponents).astype(np.float32)


def random_batch_norm(rng: np.random.Generator, channels: int, spread: float) -> Step:
    """Negative, zero and tiny gamma, and channels that never change, included."""
    gamma = rng.normal(0, 1, channels)
    gamma[rng.random(channels) < 0.15] = 0
    gamma[rng.random(channels) < 0.1] = 1e-30
    beta = rng.normal(0, 1, channels)
    beta[rng.random(channels) < 0.15] = 0
    mean = np.where(
        rng.random(channels) < 0.3,
        rng.integers(-3, 4, channels),
        rng.normal(0, spread / 2, channels),
    )
    mean[rng.random(channels) < 0.1] = 1e6
    return Step.batch_norm(gamma, beta, mean, rng.uniform(0.1, 1, channels) * spread**2, 1e-5)


def _steps(rng: np.random.Generator, channels: int, spread: float) -> list[Step]:
    choices = [
        lambda: random_batch_norm(rng, channels, spread),
        lambda: Step.relu(),
        lambda: Step.prelu(rng.uniform(0, 1, channels)),
        lambda: Step.clip(-1.0, rng.uniform(0, 1, channels)),
        lambda: Step.add(rng.normal(0, 1, channels)),
        lambda: Step.sub(rng.normal()),
        lambda: Step.reverse_sub(rng.normal(0, 1, channels)),
        lambda: Step.mul(rng.normal(0, 1, channels)),
        lambda: Step.div(rng.choice([-3.0, 0.7])),
    ]
    first = [choices[0]()] if rng.random() < 0.7 else []
    return first + [choices[i]() for i in rng.integers(0, len(choices), rng.integers(0, 3))]


def _quantise(rng: np.random.Generator, chain: Chain, name: str) -> None:
    if rng.random() < 0.5:
        chain.sign(name, scale=float(rng.choice([1.0, 0.5])))
        return
    low, high = Uniform.bounds(
        int(rng.integers(2, 5)), signed=bool(rng.random() < 0.5), narrow=bool(rng.random() < 0.5)
    )
    chain.uniform(
        name,
        low=low,
        high=high,
        scale=float(2.0 ** rng.integers(-2, 2)),
        zero_point=int(rng.integers(-1, 2)),
        rounding=rng.choice(np.array(ROUNDINGS)),
    )


def _maybe_pool(rng: np.random.Generator, chain: Chain, name: str) -> None:
    height, width, _ = chain.shape
    if rng.random() < 0.25 and height > 1 and width > 1:
        chain.pool(name, (2, 2), (int(rng.integers(1, 3)), 2))


def random_float_graph(rng: np.random.Generator) -> FloatGraph:
    """One to three hidden layers of any legal kind, and a dense head."""
    height, width, channels = (int(n) for n in rng.integers((4, 4, 1), (9, 9, 4)))
    chain = Chain(height, width, channels, (Step.div(255.0), Step.sub(0.5)))
    if rng.random() < 0.5:
        chain.uniform("input", low=-128, high=127, scale=1 / 256)
    else:
        _quantise(rng, chain, "input")
    _maybe_pool(rng, chain, "input_pool")
    for i in range(int(rng.integers(1, 4))):
        height, width, channels = chain.shape
        outputs = int(rng.integers(1, 9))
        if rng.random() < 0.7:
            kernel = (int(rng.integers(1, min(3, height) + 1)), int(rng.integers(1, 4)))
            pad = tuple(int(rng.integers(0, k)) for k in (*kernel, *kernel))
            width_needed = kernel[1] - pad[1] - pad[3]
            if width < width_needed:
                pad = (pad[0], kernel[1] - 1, pad[2], kernel[1] - 1)
            chain.conv(
                f"layer{i}",
                random_weights(rng, outputs, *kernel, channels),
                stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
                padding=(pad[0], pad[1], pad[2], pad[3]),
            )
        else:
            chain.dense(f"layer{i}", random_weights(rng, outputs, height * width * channels))
        _maybe_pool(rng, chain, f"early_pool{i}")
        for j, step in enumerate(_steps(rng, outputs, 2.0)):
            chain.elementwise(f"step{i}_{j}", step)
        _maybe_pool(rng, chain, f"pool{i}")
        _quantise(rng, chain, f"q{i}")
        _maybe_pool(rng, chain, f"late_pool{i}")
    height, width, channels = chain.shape
    chain.dense("logits", random_weights(rng, int(rng.integers(2, 6)), height * width * channels))
    if rng.random() < 0.7:
        chain.elementwise("out", random_batch_norm(rng, chain.shape[2], 3.0), Step.add(0.5))
    return chain.graph()


def layer_ends(graph: FloatGraph) -> list[str]:
    """The last op of the input and of each hidden layer: what the next linear op reads."""
    return [op.source for op in graph.ops if isinstance(op, FloatConv | FloatDense)]
