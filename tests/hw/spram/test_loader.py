"""From the flash memory's pins to the words of the memories: right, or never started."""

from __future__ import annotations

import numpy as np
import pytest

from hw.spram.image import HEADER_BYTES, WeightImage
from tests.hw.spram.bench import Chain, run


def some(rng: np.random.Generator, depths: list[int]) -> tuple[list[list[int]], WeightImage]:
    words = [rng.integers(0, 2**16, depth).tolist() for depth in depths]
    return words, WeightImage.of(words)


@pytest.mark.parametrize("depths", [[1], [40], [5, 5, 9], [3, 1, 2, 8]])
def test_loads_in_the_declared_cycles(depths: list[int], rng: np.random.Generator) -> None:
    words, image = some(rng, depths)
    chain = Chain(image)
    assert run(chain, depths) == (chain.config.cycles, words)


@pytest.mark.parametrize("stall", [0.3, 0.9, 0.97])
def test_bytes_that_wait(stall: float, rng: np.random.Generator) -> None:
    words, image = some(rng, [6, 11])
    chain = Chain(image)
    cycles, found = run(chain, [6, 11], rng=rng, stall=stall)
    assert found == words
    assert cycles is not None and cycles >= chain.config.cycles


@pytest.mark.parametrize("wrong", [1, 2])
def test_begins_again_until_it_is_right(wrong: int, rng: np.random.Generator) -> None:
    words, image = some(rng, [7, 4])
    chain = Chain(image)
    cycles, found = run(chain, [7, 4], passes=wrong + 1, wrong=wrong)
    # A pass that fails takes as long as one that does not.
    assert cycles == (wrong + 1) * chain.config.cycles
    assert [len(w) for w in found] == [(wrong + 1) * 7, (wrong + 1) * 4]
    assert [found[0][-7:], found[1][-4:]] == words
    assert found[0][:7] != words[0], "the fault did nothing"


def test_a_damaged_image_is_never_taken(rng: np.random.Generator) -> None:
    """One bit anywhere."""
    _, image = some(rng, [5])
    for bit in rng.permutation(8 * len(image.payload))[:6]:
        damaged = bytearray(image.pack())
        damaged[HEADER_BYTES + bit // 8] ^= 1 << bit % 8
        cycles, words = run(Chain(image, bytes(damaged)), [5], passes=2)
        assert cycles is None and len(words[0]) == 10


@pytest.mark.parametrize("what", ["another", "erased", "zeros", "shifted"])
def test_a_sound_image_of_something_else_is_never_taken(
    what: str, rng: np.random.Generator
) -> None:
    _, image = some(rng, [6])
    contents = {
        "another": some(rng, [6])[1].pack(),
        "erased": b"",
        "zeros": bytes(100),
        "shifted": image.payload,
    }[what]
    cycles, _ = run(Chain(image, contents), [6], passes=3)
    assert cycles is None
