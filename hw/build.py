"""``python -m hw.build``: from a model to a bitstream, its report and its manifest."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from hw.ethernet import EthernetSoC
from hw.flow import ethernet, manifest, report
from hw.flow.export import GENERIC, TARGETS, export, parse_budget
from hw.flow.load import WITH_WEIGHTS, check_target, find_loader, load_bitstream
from hw.flow.output import default_folder, output_folder
from hw.flow.result import Implementation
from hw.flow.run import Sources, implement
from hw.flow.top import elaborate
from hw.options import DEFAULT_BOARD, Planned, add_plan_arguments, planned
from hw.soc import SoC
from hw.spram.image import WeightImage
from sw import cli
from sw.errors import ClockError, ModelError
from sw.model import load

__all__ = ["build", "main", "sources_of"]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, build, and print the report."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.build",
        description="Build the accelerator of a model for a board: top.bit (Gowin: top.fs; with "
        "weights for the flash memory: top.bin), top.il, manifest.json, report.json, report.txt "
        "and the tools' logs, in one folder. Or only its core, with AXI4-Stream ports, for a "
        "system of your own: core.v or core.il.",
    )
    parser.add_argument("model", type=Path, help="model.npz")
    add_plan_arguments(parser)
    # Without one, a core is planned for no board.
    parser.set_defaults(board=None)
    parser.add_argument(
        "--target",
        choices=("bitstream", *TARGETS),
        default="bitstream",
        help="bitstream for the board (default), or the core as Verilog or RTLIL, planned for "
        "--budget, or for the FPGA of --board",
    )
    parser.add_argument(
        "--budget",
        type=parse_budget,
        metavar="LUTS,BRAMS[,DSPS]",
        help="with --target verilog or rtlil: what the FPGA has; block RAMs of 18 Kbit "
        f"(default {GENERIC.lut},{GENERIC.bram},{GENERIC.dsp})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder (default build/BOARD-SIZE-MODEL, of a core build/generic-TARGET-MODEL)",
    )
    parser.add_argument("--seed", type=_seed, default=1, help="of the placer (default 1)")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="plan and elaborate only: writes top.il, plan.json, model.npz and manifest.json, "
        "the same bytes every time; runs no tools",
    )
    parser.add_argument(
        "--flash", action="store_true", help="then load the bitstream into the board plugged in"
    )
    parser.add_argument(
        "--persistent", action="store_true", help="with --flash: into the board's flash memory"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    if wrong := _wrong(options):
        parser.error(wrong)
    if options.target == "bitstream":
        options.board = options.board or DEFAULT_BOARD
        made = build(options)
    else:
        made = export(options)
    print(json.dumps(made, indent=2) if options.json else report.render(made), end="")
    if options.json:
        print()


def _wrong(options: argparse.Namespace) -> str | None:
    """What does not go together."""
    if options.flash and options.dry_run:
        return "argument --flash: not allowed with argument --dry-run"
    if options.persistent and not options.flash:
        return "argument --persistent: only with argument --flash"
    if options.target == "bitstream":
        if options.budget is not None:
            return "argument --budget: only with argument --target verilog or rtlil"
        return None
    if options.budget is not None and options.board is not None:
        return "argument --budget: not allowed with argument --board"
    for name in ("flash", "dry_run"):
        if getattr(options, name):
            shown = name.replace("_", "-")
            return f"argument --{shown}: not allowed with argument --target {options.target}"
    return None


def _seed(text: str) -> int:
    seed = int(text)
    if not 0 <= seed < 2**31:
        raise argparse.ArgumentTypeError(f"{seed} is not from 0 to {2**31 - 1}")
    return seed


def build(options: argparse.Namespace) -> dict:
    """Carry out a parsed command line; returns what ``report.json`` holds.

    Raises
    ------
    UserError
        Of every kind: see the classes of `sw.errors`.
    """
    plan = planned(options, load(options.model))
    board = plan.board
    target = options.out or default_folder(board.name, board.size, plan.plan.model)
    loader = find_loader(board, persistent=options.persistent) if options.flash else None
    if loader is not None and plan.plan.predicted.spram:
        check_target(loader, WITH_WEIGHTS)
    with output_folder(target) as folder:
        start = time.monotonic()
        sources = _elaborate(plan)
        seconds = time.monotonic() - start
        made = None
        if not options.dry_run:
            plan, sources, made = _implement(options, plan, sources)
        _fill(folder, options, plan, sources, made)
        result = report.make_report(
            plan, made, elaborate_seconds=seconds, seed=options.seed, image=sources.image
        )
        if made is not None:
            report.write(result, folder)
    cli.console.print(f"written: {target}", markup=False)
    if loader is not None:
        load_bitstream(loader, target)
    return result


def _implement(
    options: argparse.Namespace, plan: Planned, sources: Sources
) -> tuple[Planned, Sources, Implementation]:
    """Build; a clock that was not asked for gives way to what place and route reaches."""
    while True:
        clock_mhz = plan.plan.clock_mhz
        try:
            made = implement(sources, plan.board, clock_mhz=clock_mhz, seed=options.seed)
            return plan, sources, made
        except ClockError as error:
            if options.clock is not None:
                raise
            # Another clock is another placement, which may be a little slower.
            slower = plan.board.fastest_clock_mhz(0.96 * error.fmax_mhz, uart=plan.link == "uart")
            cli.console.print(
                f"note: {clock_mhz:g} MHz is not met, {error.fmax_mhz:g} MHz is reached: "
                f"building again for {slower:g} MHz",
                markup=False,
            )
        asked = argparse.Namespace(**{**vars(options), "clock": slower})
        plan = planned(asked, plan.model)
        sources = _elaborate(plan)


def _elaborate(plan: Planned) -> Sources:
    clock_mhz = plan.plan.clock_mhz
    with cli.step(f"elaborate {plan.plan.model} for {plan.board.title} at {clock_mhz:g} MHz"):
        return sources_of(plan)


def sources_of(plan: Planned) -> Sources:
    """The elaborated design of a plan, with its link, on its board."""
    clock = plan.board.clock_plan(plan.clock_hz / 1e6)
    if plan.address is not None:
        design = EthernetSoC(plan.plan, plan.model, clock_hz=plan.clock_hz, address=plan.address)
        return ethernet.elaborate(plan.board, clock, design)
    phy = "bytes" if plan.baud is None else "uart"
    soc = SoC(plan.plan, plan.model, clock_hz=plan.clock_hz, baud=plan.baud, phy=phy)
    return replace(elaborate(plan.board, clock, soc), image=soc.image)


def _fill(
    folder: Path,
    options: argparse.Namespace,
    plan: Planned,
    sources: Sources,
    made: Implementation | None,
) -> None:
    """Write all but the reports into ``folder``."""
    shutil.copyfile(options.model, folder / "model.npz")
    (folder / "top.il").write_bytes(sources.rtlil)
    text = json.dumps(plan.plan.summary(), indent=2) + "\n"
    (folder / "plan.json").write_text(text, encoding="utf-8")
    files = ["model.npz", "top.il", "plan.json"]
    if made is not None:
        files.append(_bitstream(made, sources.image, folder))
        (folder / "logs").mkdir()
        for log in sorted(made.folder.glob("*.log")):
            shutil.copyfile(log, folder / "logs" / log.name)
    digests = {name: manifest.sha256_file(folder / name) for name in files}
    if digests["model.npz"] != plan.model.sha256:
        raise ModelError(f"'{options.model}' changed while it was built", "Build it again")
    manifest.Manifest(
        model=plan.model.name,
        model_sha256=digests["model.npz"],
        board=plan.board.name,
        size=plan.board.size,
        clock_hz=plan.clock_hz,
        baud=plan.baud,
        options={
            "clock_mhz": options.clock,
            "fps": options.fps,
            "share": options.share,
            "objectness": options.objectness,
            "link": options.link,
            "ip": options.ip if plan.address else None,
            "seed": options.seed,
        },
        plan=plan.plan.summary(),
        files=digests,
        tools=made.tools if made else {},
        flash=sources.image.summary() if sources.image else None,
    ).write(folder)


def _bitstream(made: Implementation, image: WeightImage | None, folder: Path) -> str:
    """Write the bitstream, and behind it the weights that it reads; the file's name."""
    source = made.folder / made.bitstream
    if image is None:
        shutil.copyfile(source, folder / made.bitstream)
        return made.bitstream
    (folder / WITH_WEIGHTS).write_bytes(image.behind(source.read_bytes()))
    return WITH_WEIGHTS


if __name__ == "__main__":
    # Ended by another program, we still remove what is half-written and end the tools.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cli.run(main)
