"""The part of Yosys's command line that we use, on top of the package pyosys.

Run as a program, in a process of its own, so that a timeout or Ctrl-C can kill it:
``pyosys_runner.py [-V] [-q] [-s SCRIPT | -p COMMANDS]... [FILE.il]...``. An error
in a command ends it with status 1 and the message on standard error.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys


def main(argv: list[str]) -> int:
    """Run Yosys commands in the order given."""
    parser = argparse.ArgumentParser(prog="yosys")
    parser.add_argument("-V", dest="version", action="store_true", help="print the version")
    parser.add_argument("-q", dest="quiet", action="store_true", help="no log")
    parser.add_argument(
        "-s",
        dest="steps",
        action="append",
        metavar="SCRIPT",
        type=lambda text: f"script {text}",
        help="run a script",
    )
    parser.add_argument(
        "-p", dest="steps", action="append", metavar="COMMANDS", help="run commands"
    )
    parser.add_argument("files", nargs="*", help="RTLIL files to read first")
    args = parser.parse_args(argv)

    libyosys = importlib.import_module("pyosys.libyosys")

    if args.version:
        print(libyosys.yosys_maybe_version())
        return 0
    if args.quiet:
        # Yosys's log goes to the C library's standard output.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
    design = libyosys.Design()
    for file in args.files:
        libyosys.run_pass(f"read_rtlil {file}", design)
    for step in args.steps or []:
        libyosys.run_pass(step, design)
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
