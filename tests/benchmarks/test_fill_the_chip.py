"""The table of figures: what is stored, how it is shown, and that every row has a part."""

from __future__ import annotations

import json

import pytest

from benchmarks import fill_the_chip
from benchmarks.chip_parts import PARTS, SEEDS, Part, measure_network
from benchmarks.fill_the_chip import MISSING, RESULTS, ROWS, cells, chosen, markdown, run
from benchmarks.stored import stored
from sw.errors import UserError

BLOCK = {"comb": 1500, "ff": 1800, "dp16kd": 16, "fmax_mhz": 171.2}
NETWORK = {
    "predicted": {"lut": 2000, "ff": 1500, "bram": 3, "dsp": 0, "fmax_mhz": 150.0},
    "gap": 0.0,
    "weight_packing": 0.875,
    "cycles_per_frame": 800.0,
    "ideal_cycles": 784,
    "utilisation": 1.0204,
    "latency_cycles": 2345,
    "seeds": {str(seed): {"seconds": 30.0 * seed} for seed in SEEDS},
    "seconds": {"plan": 0.5, "elaborate": 1.5, "synthesise": 18.0},
    "lut": 2100,
    "ff": 1500,
    "bram": 3,
    "fmax_mhz": 160.0,
    "frames_per_second": 200_000.0,
}


def ours(part: str, figures: dict) -> list[str]:
    """Our cells of the rows of a part."""
    return [cells(row, {part: {"figures": figures}})[2] for row in ROWS if row.part == part]


def test_every_row_has_a_part_and_every_part_a_row():
    assert {row.part for row in ROWS} == set(PARTS)
    assert len({row.what for row in ROWS}) == len(ROWS)


def test_what_is_not_measured_says_so():
    assert {cells(row, {})[2] for row in ROWS} == {MISSING}


def test_others_are_marked_as_quoted():
    others = [cells(row, {})[3] for row in ROWS]
    assert sum(bool(text) for text in others) >= 8
    assert all(text.startswith("quoted: ") for text in others if text)


def test_block_and_array():
    macs = {"macs": 512, "comb_per_mac": 2.344, "ff_per_mac": 3.1}
    assert ours("array-512", BLOCK | macs) == ["2.34 COMB and 3.10 FF per MAC, 171 MHz"]
    assert ours("lines-serial", BLOCK) == ["1,500 COMB, 16 BRAM, 171 MHz"]
    assert ours("thresholds", {"1 level": {"comb": 11}}) == ["1 level: 11 COMB per PE"]


def test_network():
    network, cycles, packing, prediction = ours("cnv-85F", NETWORK)
    assert network == (
        "2,100 LUT, 1,500 FF, 3 BRAM, 160 MHz, 800 cycles, 200,000 frames/s, built in 50 s"
    )
    assert cycles == "800 cycles, 1.020 of the ideal 784; first frame after 2,345"
    assert packing == "88% of the bits are weights"
    assert prediction == "LUT -4.8%, FF +0.0%, Fmax -6.2%, BRAM +0"
    assert ours("cnv-12F", {"refused": "too large. Take a 45F."})[0] == (
        "refused: too large. Take a 45F."
    )


def test_markdown_has_a_line_a_row():
    lines = markdown({}).splitlines()
    assert len(lines) == len(ROWS) + 2
    assert {line.count("|") for line in lines} == {5}


def test_runs_are_stored_one_by_one(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    first, second = list(PARTS)[:2]

    def fail() -> dict:
        raise UserError("no", "Do not")

    parts = [
        Part(name=second, minutes=1, measure=lambda: {"comb": 2}),
        Part(name=first, minutes=1, measure=fail),
    ]
    with pytest.raises(UserError):
        run(parts, path)
    assert list(stored(path)) == [second]
    run([Part(name=first, minutes=1, measure=lambda: {"comb": 1})], path)
    assert list(stored(path)) == [first, second]
    entry = stored(path)[first]
    assert entry["figures"] == {"comb": 1}
    assert entry["command"] == f"python -m benchmarks.fill_the_chip --run {first}"
    assert {"yosys", "nextpnr-ecp5"} == set(entry["tools"])


def test_missing_parts_come_quickest_first():
    done = {name: {} for name in PARTS if name not in ("array-8192", "planner", "lines-serial")}
    assert [part.name for part in chosen(["missing"], done)] == [
        "planner",
        "lines-serial",
        "array-8192",
    ]


def test_unknown_part():
    with pytest.raises(UserError) as caught:
        chosen(["array-7"], {})
    assert str(caught.value).startswith("there is no part 'array-7': the parts are ")


def test_a_network_that_does_not_fit_is_a_figure():
    refused = measure_network("cnv_cifar10", ["--size", "12F", "--share", "0.02"])
    assert set(refused) == {"refused"}
    assert "cnv" in refused["refused"]


def test_what_is_stored_is_of_parts(capsys):
    """Each stored part has figures, a command and the tools' versions, and can be shown."""
    assert fill_the_chip.main(["--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert results == stored(RESULTS)
    for name, entry in results.items():
        assert name in PARTS
        assert set(entry) == {"command", "tools", "figures"}
        assert MISSING not in ours(name, entry["figures"])
