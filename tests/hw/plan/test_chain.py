"""The exact search on chains of numbers, against every path there is."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from hw.plan.chain import Chain, Link, pareto


def random_chain(rng: np.random.Generator, *, segments: int, options: int, spread: float) -> Chain:
    """Options of which the budget takes about half of all chains at best."""
    links: list[Link] = []
    before = 1
    for _ in range(segments):
        entries, states = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        count = int(rng.integers(entries, options + entries))
        enter = np.sort(np.append(np.arange(entries), rng.integers(entries, size=count - entries)))
        leave = rng.integers(states, size=count)
        leave[0] = states - 1
        cycles = rng.integers(1, 9, count) * 10
        # The faster, the dearer, in one resource or another.
        costs = rng.dirichlet(np.ones(3), count) * (spread / segments) * (40 / cycles[:, None])
        links.append(
            Link(
                cycles=cycles,
                costs=costs,
                enter=enter,
                leave=leave,
                allowed=rng.random((before, entries)) < 0.8,
                converters=rng.random((before, entries, 3)) * 0.1 / segments,
            )
        )
        before = states
    return Chain(links, fixed=np.full(3, 0.05), objective=np.array([1.0, 1.0, 0.5]))


def every_path(chain: Chain) -> list[tuple[tuple[int, ...], int, NDArray[np.float64]]]:
    """All legal paths with their cycles and costs."""
    found = []
    for path in product(*(range(len(link.cycles)) for link in chain.links)):
        state, legal, cycles = 0, True, 0
        for link, option in zip(chain.links, path, strict=True):
            legal = legal and bool(link.allowed[state, link.enter[option]])
            cycles = max(cycles, int(link.cycles[option]))
            state = int(link.leave[option])
        if legal:
            found.append((path, cycles, chain.cost(path)))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_every_limit_is_answered_as_by_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain = random_chain(
        rng, segments=int(rng.integers(1, 5)), options=6, spread=float(rng.uniform(1, 5))
    )
    paths = every_path(chain)
    for limit in range(10, 90, 10):
        fitting = [c for _, cycles, c in paths if cycles <= limit and c.max() <= 1]
        fit, cheapest = chain.fit(limit), chain.cheapest(limit)
        assert fit.proven and cheapest.proven and cheapest.gap == 0
        if not fitting:
            assert fit.path is None and cheapest.path is None
            # Something to tell the user by, where speed alone does not forbid everything.
            assert bool(fit.nearest) == any(cycles <= limit for _, cycles, _ in paths)
            continue
        least = min(float(chain.objective @ cost) for cost in fitting)
        assert cheapest.path is not None and fit.path is not None
        assert chain.cost(fit.path).max() <= 1 + 1e-9
        cost = chain.cost(cheapest.path)
        assert cost.max() <= 1 + 1e-9
        assert float(chain.objective @ cost) == pytest.approx(least, rel=2e-6)


def test_pareto_keeps_what_nothing_dominates(rng: np.random.Generator) -> None:
    costs = rng.integers(0, 12, (900, 3)).astype(float)
    kept = costs[pareto(costs)]
    assert len({tuple(row) for row in kept}) == len(kept)
    for row in costs:
        assert (kept <= row).all(1).any()
    for index, row in enumerate(kept):
        assert (kept <= row).all(1).sum() == 1, index


def test_an_undecided_limit_says_so(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one path allowed to live, answers come from bounds, with a gap."""
    monkeypatch.setattr("hw.plan.chain.WIDTHS", (1,))
    gaps, undecided = [], 0
    for _ in range(40):
        chain = random_chain(rng, segments=4, options=6, spread=3.0)
        for limit in (40, 60, 80):
            answer = chain.cheapest(limit)
            if answer.path is None:
                undecided += not answer.proven
                continue
            assert 0 <= answer.gap < 1
            gaps.append(answer.gap)
            fitting = [c for _, cycles, c in every_path(chain) if cycles <= limit and c.max() <= 1]
            least = min(float(chain.objective @ cost) for cost in fitting)
            assert chain.objective @ chain.cost(answer.path) * (1 - answer.gap) <= least + 1e-9
            break
    assert max(gaps) > 0 or undecided
