"""Which of link and core bounds frames/s: the plan and the report say the same."""

from __future__ import annotations

import argparse

import pytest

from hw.flow.report import make_report, render
from hw.options import add_plan_arguments, bound, planned
from hw.plan.__main__ import main, summary_lines
from hw.plan.link import LinkConfig, packet_bytes
from sw.model import load, save
from sw.protocol import Packet
from tests.sw.model.small import small_model


def test_bound() -> None:
    assert bound(core=10.0, link=9.9) == "the link"
    assert bound(core=9.9, link=10.0) == "the core"


@pytest.mark.parametrize("arguments", [[], ["--fps", "10"]])
def test_plan_and_report(tmp_path, capsys, arguments) -> None:
    save(small_model(), tmp_path / "model.npz")
    parser = argparse.ArgumentParser()
    add_plan_arguments(parser)
    made = planned(parser.parse_args(arguments), load(tmp_path / "model.npz"))
    core, link = made.plan.frames_per_second, made.link_frames_per_second
    (line,) = [line for line in summary_lines(made) if "is the slower" in line]
    assert line == f"{link:.0f} frames/s of the link, at {made.baud} baud: the link is the slower"
    report = render(make_report(made, None, elaborate_seconds=0, seed=1))
    assert f"the link is the slower: {min(core, link):,.1f} frames/s in all" in report
    main([str(tmp_path / "model.npz"), *arguments])
    assert line in capsys.readouterr().out


def test_frames_per_second_of_a_link() -> None:
    """The longest packets that there are: bodies without a zero."""
    link = LinkConfig(elements=784, code_bits=8, scores=10, score_bits=16)
    packet = Packet(command=1, number=0x0101, body=bytes([7]) * 784).encode()
    assert len(packet) <= packet_bytes(784) <= len(packet) + 1
    assert link.frames_per_second(3_000_000) == 300_000 / packet_bytes(784)
    wide = LinkConfig(elements=8, code_bits=1, scores=1000, score_bits=32)
    assert wide.frames_per_second(3_000_000) == 300_000 / packet_bytes(4000)
