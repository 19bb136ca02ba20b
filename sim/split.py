"""Splits the long functions that CXXRTL writes for a design into many short ones.

One function evaluates a flattened design, one commits its registers and one resets them.
Compilers take time that grows faster than a function's length, so the statements of each
are dealt out, in their order, to functions of some hundred lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["split_functions"]

#: A part ends at the first place where it may after so many lines.
PART_LINES = 100

_EVAL = "bool p_top::eval(performer *performer) {"
_RESET = "void p_top::reset() {"
_COMMIT = "\tbool commit(ObserverT &observer) {"
_TEMPLATE = "\ttemplate<class ObserverT>"
_CLOCK = re.compile(r"\tbool (posedge_\w+) = this->\1\(\);")
_LOCAL = re.compile(r"\t(value<\d+>) (\w+);")
_WORD = re.compile(r"\w+")
#: What a part may begin with: the comment before a cell; a register or a memory's contents.
_CELL = re.compile(r"\t// (cells?|memory|connection)\b")
_RESETS = re.compile(r"\t(p_|static )")
_COMMITS = re.compile(r"\t\tif \(")


def split_functions(source: str, *, part_lines: int = PART_LINES) -> str:
    """The same design in functions of about ``part_lines`` lines.

    Parameters
    ----------
    source : str
        C++ as ``write_cxxrtl -g0`` writes the flat design ``top``.
    part_lines : int
        A part ends at the first place where it may after so many lines.

    Returns
    -------
    str
        ``source`` itself where it has combinational feedback, of which ``eval`` gives
        notice by a variable, or where it is not written as expected.
    """
    lines = source.split("\n")
    if any(lines.count(line) != 1 for line in (_EVAL, _RESET, _COMMIT)):
        return source
    eval_body, reset_body = (_body(lines, name, "}") for name in (_EVAL, _RESET))
    commit_body = _body(lines, _COMMIT, "\t}")
    ends = (eval_body[0], eval_body[-1], commit_body[0], commit_body[-1])
    expected = ("\tbool converged = true;", "\treturn converged;",
                "\t\tbool changed = false;", "\t\treturn changed;")  # fmt: skip
    if ends != expected or any("converged" in line for line in eval_body[1:-1]):
        return source
    members, evals = _split_eval(eval_body[1:-1], part_lines)
    resets = _parts(reset_body, _RESETS, part_lines)
    commits = _parts(commit_body[1:-1], _COMMITS, part_lines)
    members += [f"\tvoid eval_{number}();" for number in range(len(evals))]
    members += [f"\tvoid reset_{number}();" for number in range(len(resets))]
    for number, part in enumerate(commits):
        head = _COMMIT.replace("commit", f"commit_{number}")
        members += [_TEMPLATE, head, commit_body[0], *part, commit_body[-1], "\t}"]
    commit, reset, evaluate = (lines.index(line) for line in (_COMMIT, _RESET, _EVAL))
    return "\n".join(
        [
            *lines[: commit - 1],
            *members,
            *lines[commit - 1 : commit + 2],
            *(
                f"\t\tif (commit_{number}(observer)) changed = true;"
                for number in range(len(commits))
            ),
            *lines[commit + len(commit_body) : reset],
            *_functions("reset", resets),
            _RESET,
            *(f"\treset_{number}();" for number in range(len(resets))),
            *lines[reset + len(reset_body) + 1 : evaluate],
            *_functions("eval", evals),
            _EVAL,
            *(f"\teval_{number}();" for number in range(len(evals))),
            "\treturn true;",
            *lines[evaluate + len(eval_body) + 1 :],
        ]
    )


def _body(lines: Sequence[str], head: str, end: str) -> list[str]:
    """The lines between ``head`` and the next ``end``."""
    start = lines.index(head) + 1
    return list(lines[start : lines.index(end, start)])


def _parts(statements: Sequence[str], begin: re.Pattern[str], part_lines: int) -> list[list[str]]:
    """The statements in their order; every part begins as ``begin`` says, but the first."""
    parts: list[list[str]] = [[]]
    for line in statements:
        if len(parts[-1]) >= part_lines and begin.match(line):
            parts.append([])
        parts[-1].append(line)
    return parts


def _functions(name: str, parts: Sequence[Sequence[str]]) -> list[str]:
    """Member functions ``name_0``, ``name_1``, ..."""
    return [
        line
        for number, part in enumerate(parts)
        for line in (f"void p_top::{name}_{number}() {{", *part, "}")
    ]


def _split_eval(body: Sequence[str], part_lines: int) -> tuple[list[str], list[list[str]]]:
    """Declarations that become members, and the parts with the declarations of their own.

    What one part uses stays local to it, which a compiler keeps in registers; what several
    use becomes a member of the design.
    """
    clocks = [line for line in body if _CLOCK.fullmatch(line)]
    types = {found[2]: found[1] for found in map(_LOCAL.fullmatch, body) if found}
    declarations = {f"\t{kind} {name};" for name, kind in types.items()}.union(clocks)
    parts = _parts([line for line in body if line not in declarations], _CELL, part_lines)
    used = [types.keys() & _WORD.findall("\n".join(part)) for part in parts]
    users = Counter(name for names in used for name in names)
    shared = [f"\t{kind} {name};" for name, kind in types.items() if users[name] > 1]
    own = [
        [f"\t{types[name]} {name};" for name in sorted(names) if users[name] == 1] for names in used
    ]
    return shared, [[*clocks, *mine, *part] for mine, part in zip(own, parts, strict=True)]
