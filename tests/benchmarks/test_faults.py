"""The fault campaign, shortened: every kind, against the compiled SoC, bit by bit."""

from __future__ import annotations

import json

import pytest

from benchmarks import faults
from benchmarks.fault_cases import CASES, Bench, Line
from benchmarks.faults import LIMIT, PATH, measure, recovery
from sim.faults import Passed, Tap
from sw.model import save
from sw.protocol import Command, Packet
from tests.sw.model.small import small_model

#: Frames of each kind; the stored campaign has many more.
FRAMES = 40


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    # The chip that tests/system simulates: it is compiled once for both.
    path = tmp_path_factory.mktemp("faults") / "model.npz"
    save(small_model(), path)
    return Bench.of(path)


def check(name: str, entry: dict) -> None:
    case = CASES[name]
    assert entry["wrong"] == 0
    assert entry["after"] <= LIMIT, "recovery within two frames"
    if isinstance(case, Line):
        assert not entry["differ"], "both ends count what passes between them"
        assert entry["host"]["results"] == entry["frames"]


@pytest.mark.parametrize("name", CASES)
def test_shortened(bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "long-stall":
        monkeypatch.setattr(faults, "TIMEOUT", 1.0)
    # Resets are far apart, and none comes near the end.
    frames = 3 * FRAMES if name == "reset" else FRAMES
    entry = measure(bench, CASES[name], frames=frames, seed=3)
    assert entry["frames"] == frames
    assert entry["injected"] or name in ("fast", "slow")
    check(name, entry)


def test_stored() -> None:
    """The campaign as stored: every kind, and what is promised of it."""
    stored = json.loads(PATH.read_text())
    assert list(stored) == list(CASES)
    for name, entry in stored.items():
        check(name, entry)
    assert sum(entry["frames"] for entry in stored.values()) >= 10_000


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    faults.main(["--markdown"])
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == len(CASES) + 3
    assert rows[0].startswith("| fault | frames | injected | lost | sent again | wrong |")


def passed(start: int, number: int) -> Passed:
    return Passed(start, start + 10, Packet(command=Command.FRAME, number=number))


@pytest.mark.parametrize(
    ("arrived", "events", "expected"),
    [
        ([1, 2, 3, 4, 5], [], (0, 0, 0)),
        ([1, 3, 4, 5], [(13, 13)], (1, 1, 0)),
        ([1, 4, 5], [(13, 13)], (2, 1, 1)),
        ([1, 5], [(13, 13)], (3, 1, 2)),
        ([1, 5], [(13, 25)], (3, 2, 1)),
        ([1, 3, 5], [(13, 13), (33, 33)], (2, 1, 0)),
        # Sent again: the later one is it that arrived.
        ([1, 3, 4, 5, 2], [(13, 13)], (1, 1, 0)),
    ],
)
def test_recovery_is_counted(arrived, events, expected) -> None:
    sent = [passed(10 * k, k + 1) for k in range(5)]
    if arrived[-1] == 2:
        sent.append(passed(50, 2))
    found = recovery(sent, arrived, events)
    assert (found.lost, found.struck, found.after) == expected


def test_taps() -> None:
    line = Packet(command=Command.STATS, number=5).encode()
    tap = Tap()
    for byte in b"\0" + line + b"\1\2\0" + line:
        tap.feed(bytes([byte]))
    size = len(line)
    places = [(one.start, one.end, one.packet is not None) for one in tap.passed]
    assert places == [
        (1, 1 + size, True),
        (1 + size, 4 + size, False),
        (4 + size, 4 + 2 * size, True),
    ]
    tap.feed(line[:4])
    tap.cut()
    tap.feed(line[4:])
    assert [one.packet is not None for one in tap.since(Command.RESET)] == [False]
