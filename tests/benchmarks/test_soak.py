"""The soak, shortened, and as stored."""

from __future__ import annotations

from benchmarks.soak import NO_GROWTH, PATH, READINGS, soak
from benchmarks.stored import stored


def test_short() -> None:
    entry = soak(60)
    assert (entry["frames"], entry["wrong"], entry["bad_packets"]) == (60, 0, [0, 0])
    assert [one["frames"] for one in entry["readings"]] == [3 * k for k in range(1, READINGS + 1)]
    assert all(one["driver_kib"] > 0 < one["simulator_kib"] for one in entry["readings"])


def test_stored() -> None:
    """A million frames, and what is promised of them."""
    (entry,) = stored(PATH).values()
    assert entry["frames"] >= 1_000_000
    assert (entry["wrong"], entry["resent"], entry["bad_packets"]) == (0, 0, [0, 0])
    assert max(entry["growth_kib"].values()) <= NO_GROWTH
