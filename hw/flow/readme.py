"""``README.md`` beside an exported core: its ports, and what passes on them."""

from __future__ import annotations

from hw.axi import AxiConfig
from hw.plan.plan import Plan
from sw.model import Model

__all__ = ["readme"]


def readme(model: Model, plan: Plan, axi: AxiConfig, *, name: str, top: str, frames: int) -> str:
    """The file's text.

    Parameters
    ----------
    model : Model
    plan : Plan
    axi : AxiConfig
        Of the plan.
    name, top : str
        Of the core's file and its top module.
    frames : int
        Test vectors beside it.
    """
    parts = (
        _title(model, plan, name, top),
        _ports(plan, axi),
        _streams(model, axi),
        _rest(axi, frames),
    )
    return "".join(parts)


def _title(model: Model, plan: Plan, name: str, top: str) -> str:
    return f"""# {model.name}: the accelerator core

`{name}`, top module `{top}`, written by Binarray. It computes the scores of the model in
`model.npz` (SHA-256 `{model.sha256}`), bit for bit.
Planned for {plan.clock_mhz:g} MHz: {plan.cycles_per_frame:,} cycles a frame,
{plan.frames_per_second:,.0f} frames/s. What it takes is in `report.txt`, which is a prediction for
LUTs of four inputs, the link of a board included.
"""


def _ports(plan: Plan, axi: AxiConfig) -> str:
    what = "the index of the greatest score" if plan.head.kind == "argmax" else "a score"
    marks = (
        f"\n| `m_axis_tuser[1]` | out | the score is an objectness of {plan.objectness:g} or more |"
        if axi.marks
        else ""
    )
    user = _user(axi)
    return f"""
| port | | |
|---|---|---|
| `aclk` | in | clock of all ports |
| `aresetn` | in | reset, active low, synchronous; may be tied high |
| `s_axis_tdata[{axi.i_width - 1}:0]` | in | a beat of a frame |
| `s_axis_tvalid`, `s_axis_tlast` | in | |
| `s_axis_tready` | out | |
| `m_axis_tdata[{axi.o_width - 1}:0]` | out | {what} |
| `m_axis_tvalid`, `m_axis_tlast` | out | |
| `m_axis_tready` | in | |
| `m_axis_tuser{user}` | out | with `tlast`: the packet was no frame, see below |{marks}

There are no registers to set, and no other ports.
"""


def _user(axi: AxiConfig) -> str:
    """The range of ``m_axis_tuser``, or of the bit that says that a packet was no frame."""
    return "[0]" if axi.marks else ""


def _streams(model: Model, axi: AxiConfig) -> str:
    """What packets are, of frames and of scores."""
    shape = model.graph.input.type
    range_ = shape.range
    lanes = "one code" if axi.lanes == 1 else f"{axi.lanes} codes, lane 0 in the lowest bits"
    padding = axi.i_width - axi.i_bits
    spare = f"; the {padding} bits above them are ignored" if padding else ""
    return f"""
**Frames.** A packet is a frame of {shape.height} x {shape.width} x {shape.channels} codes, row by
row from the top, each from the left, the channels of a pixel side by side: {axi.i_beats:,} beats,
`tlast` on the last. A beat is {lanes}, each {axi.code_bits} bits wide{spare}.
A code is `(value - {range_.low}) / {range_.step}` of a value of the input tensor, which is what
the model's preprocessing table makes of a pixel: `model.preprocessing.apply(frames)` in Python.

**Scores.** Each packet is answered by a packet of {axi.o_beats:,} beats, `tlast` on the last, in
the order of the frames: a score a beat, in two's complement.
"""


def _rest(axi: AxiConfig, frames: int) -> str:
    """What comes of a packet that is no frame, the reset, and the test vectors."""
    user = _user(axi)
    return f"""
**A misplaced `tlast`.** A packet that ends early is filled up with codes 0, while `s_axis_tready`
is low. Of one that does not end in time the rest is taken and dropped, up to its `tlast`. The
scores that come of such a packet are of no frame, and the last has `m_axis_tuser{user}` set. So
there is a packet of scores for each packet, always, and the next frame is computed as it should.
A source without `tlast` has to count the beats.

**Reset.** Low at one rising edge of `aclk` is enough. It drops what is in the core; the next beat
is the first of a frame. While it is low, `s_axis_tready` and `m_axis_tvalid` are low too. After the
configuration of an FPGA none is needed, for all registers have initial values; tied high, it costs
nothing.

**Test vectors.** `frames.hex` has the beats of {frames} frames and `scores.hex` those of their
scores, a line a beat, for `$readmemh`.
"""
