"""``python -m hw.flash``: load a build's bitstream into the board that is plugged in."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from hw.flow.load import bitstream_of, check_target, find_loader, load_bitstream
from sw import cli

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line, and load."""
    parser = argparse.ArgumentParser(
        prog="python -m hw.flash",
        description="Load the bitstream of a folder that hw.build has written into the board "
        "that is plugged in, with the loader of that board. The bitstream is compared with the "
        "SHA-256 in the folder's manifest first.",
    )
    parser.add_argument("build", type=Path, help="folder written by hw.build")
    parser.add_argument(
        "--persistent",
        action="store_true",
        help="write the board's flash memory, so that the bitstream stays without power (default: "
        "the FPGA's own memory, where the loader can)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the commands, and load nothing"
    )
    options = parser.parse_args(arguments)
    board, name = bitstream_of(options.build)
    loader = find_loader(board, persistent=options.persistent)
    check_target(loader, name)
    if options.dry_run:
        for tool in (*loader.prepare, loader.tool):
            print(shlex.join([*tool.argv, name]))
        return
    load_bitstream(loader, options.build)


if __name__ == "__main__":
    cli.run(main)
