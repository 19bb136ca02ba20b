"""``report.json`` for programs and ``report.txt`` for people: the plan and what became of it."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hw.flow.result import Implementation
from hw.options import Planned, bound
from hw.plan.link import packet_bytes
from hw.spram.image import LoadConfig, WeightImage

__all__ = ["make_report", "packet_bytes", "render", "resources_of", "write"]

RESOURCES = {
    "lut": "LUT4",
    "ff": "flip-flops",
    "bram": "block RAM",
    "dsp": "multipliers",
    "spram": "SPRAM",
}


def resources_of(report: dict[str, Any]) -> dict[str, str]:
    """`RESOURCES` to show: SPRAM only of a device that has any."""
    some = report["predicted"]["spram"] or report.get("available", {}).get("spram")
    return {name: title for name, title in RESOURCES.items() if name != "spram" or some}


def link_frames_per_second(planned: Planned) -> float:
    """Frames per second that the link carries."""
    return planned.link_frames_per_second


def make_report(
    planned: Planned,
    made: Implementation | None,
    *,
    elaborate_seconds: float,
    seed: int,
    image: WeightImage | None = None,
) -> dict[str, Any]:
    """The contents of ``report.json``.

    Parameters
    ----------
    planned : Planned
        The plan, its model, board, clock and baud.
    made : Implementation or None
        What the tools made; None after a dry run, of which "routed" and "tools" say
        nothing then.
    elaborate_seconds : float
        Wall-clock time of the elaboration.
    seed : int
        Of the placer.
    image : WeightImage, optional
        What the board's flash memory holds behind the bitstream.
    """
    core = planned.plan.frames_per_second
    seconds = {"elaborate": round(elaborate_seconds, 2)}
    report: dict[str, Any] = planned.plan.summary() | {
        "routed": None,
        "frames_per_second": {
            "core": round(core, 3),
            "link": round(link_frames_per_second(planned), 3),
        },
        "seconds": seconds,
        "model": planned.model.name,
        "model_sha256": planned.model.sha256,
        "tools": {},
        "clock_hz": planned.clock_hz,
        "link": planned.link,
        "baud": planned.baud,
        "ip": planned.address.ip if planned.address else None,
        "seed": seed,
        "flash": _flash(image, planned.clock_hz) if image else None,
        "cached": False,
    }
    if made is not None:
        routed = made.routed.counts().summary()
        predicted = report["predicted"]
        report["routed"] = routed | {"fmax_mhz": made.routed.fmax_mhz}
        report["synthesised"] = made.synthesised.summary()
        report["netlist"] = made.netlist
        report["prediction_error"] = {
            name: round(predicted[name] / count - 1, 4) if count else None
            for name, count in routed.items()
        }
        report["available"] = {name: getattr(planned.board.budget, name) for name in RESOURCES}
        report["seconds"] = seconds | made.seconds
        report["tools"] = made.tools
        report["cached"] = made.cached
    return report


def _flash(image: WeightImage, clock_hz: int) -> dict[str, Any]:
    """Where the weights are, and how long the accelerator needs for them after power-up."""
    load = LoadConfig.of(image, clock_hz=clock_hz)
    return image.summary() | {"load_seconds": round(load.seconds, 4)}


def render(report: dict[str, Any], *, width: int = 96) -> str:
    """The contents of ``report.txt``."""
    text = StringIO()
    console = Console(file=text, width=width, highlight=False, color_system=None)
    core, link = report["frames_per_second"]["core"], report["frames_per_second"]["link"]
    routed = report["routed"]
    console.print(f"{report['model']} on {report['board']} {report['size'] or ''}".rstrip())
    console.print(f"model SHA-256 {report['model_sha256']}\n")
    console.print(f"{'clock':<18}{report['clock_mhz']:g} MHz", end="")
    console.print(f", reaches {routed['fmax_mhz']:g} MHz after routing" if routed else "")
    cycles = report["predicted"]["cycles_per_frame"]
    console.print(f"{'cycles per frame':<18}{cycles:,}; limited by {report['limited_by']}")
    if link is None:
        console.print(f"{'frames/s':<18}core {core:,.1f}\n")
    else:
        console.print(f"{'frames/s':<18}core {core:,.1f}, link {link:,.1f} {_through(report)}")
        slower = bound(core=core, link=link)
        console.print(f"{'':<18}{slower} is the slower: {min(core, link):,.1f} frames/s in all\n")
    if flash := report.get("flash"):
        console.print(
            f"{'weights':<18}{flash['bytes']:,} bytes in the flash memory at "
            f"{flash['offset']:,}, loaded in {flash['load_seconds']:g} s\n"
        )
    console.print(_resources(report))
    console.print(_layers(report))
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value:g}" for name, value in report["seconds"].items()
    )
    note = ", the tools in an earlier build (cached)" if report["cached"] else ""
    console.print(f"seconds: {shown}{note}")
    if report.get("netlist"):
        console.print(f"netlist: {report['netlist']}")
    for name, version in report["tools"].items():
        console.print(f"tool: {name} {version}")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def _resources(report: dict[str, Any]) -> Table:
    table = Table(box=None, title="Resources", title_justify="left")
    table.add_column("")
    for column in ("predicted", "routed", "error", "of the device"):
        table.add_column(column, justify="right")
    for name, title in resources_of(report).items():
        row = [title, f"{report['predicted'][name]:,}"]
        if report["routed"]:
            used, have = report["routed"][name], report["available"][name]
            error = report["prediction_error"][name]
            row += [
                f"{used:,}",
                "-" if error is None else f"{error:+.1%}",
                f"{used / have:.1%} of {have:,}" if have else "-",
            ]
        table.add_row(*row)
    return table


def _layers(report: dict[str, Any]) -> Table:
    table = Table(box=None, title="\nLayers", title_justify="left")
    table.add_column("")
    columns = ("kind", "outputs", "fan_in", "rows", "simd", "weight_memory", "cycles")
    columns += tuple(resources_of(report))
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for layer in report["layers"]:
        cells = [layer.get(column, "") for column in columns]
        table.add_row(layer["name"], *(f"{c:,}" if isinstance(c, int) else str(c) for c in cells))
    return table


def write(report: dict[str, Any], folder: Path) -> None:
    """Write both reports into ``folder``."""
    text = json.dumps(report, indent=2) + "\n"
    (folder / "report.json").write_text(text, encoding="utf-8")
    (folder / "report.txt").write_text(render(report), encoding="utf-8")


def _through(report: dict[str, Any]) -> str:
    """What the link is, for the line of its frames/s."""
    if report["ip"] is not None:
        return f"at udp://{report['ip']}"
    return "by USB" if report["baud"] is None else f"at {report['baud']:,} baud"
