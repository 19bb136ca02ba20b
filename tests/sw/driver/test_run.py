"""The command ``python -m sw.run``: its outputs, and every kind of bad input."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from sw import cli, golden
from sw.model import load, save
from sw.run import main
from tests.graphs import random_frames
from tests.sw.model.small import small_model

from .fake import Terminal
from .test_accelerator import fake_of
from .test_pool import mortal


@pytest.fixture
def port(tmp_path: Path, rng, monkeypatch: pytest.MonkeyPatch):
    """A port with an accelerator, and model, frames and labels in the working folder."""
    monkeypatch.chdir(tmp_path)
    save(small_model(), "model.npz")
    model = load("model.npz")
    frames = random_frames(rng, model.graph, 25)
    np.save("frames.npy", frames)
    np.save("labels.npy", model.classify(golden.scores(model, frames)))
    with Terminal.of(fake_of(model)) as terminal:
        yield terminal.name


def run(*arguments: str) -> int:
    """Exit status of the command, in this process."""
    with pytest.raises(SystemExit) as caught:
        cli.run(lambda: main(arguments))
    return caught.value.code  # type: ignore[return-value]


ARGUMENTS = ("frames.npy", "--model", "model.npz", "-o", "scores.npy")


def test_scores(port, capsys):
    assert run(*ARGUMENTS, "--port", port, "--verify", "--labels", "labels.npy") == 0
    expected = golden.scores(small_model(), np.load("frames.npy"))
    assert np.array_equal(np.load("scores.npy"), expected)
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith(" test vectors equal")
    assert out[1].startswith("25 frames, ") and out[1].endswith(" frames/s; scores.npy")
    assert out[2] == "accuracy 100.00% (25 of 25)"


def test_json(port, capsys):
    assert run(*ARGUMENTS, "--port", port, "--json", "--labels", "labels.npy") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["frames"] == 25 and figures["accuracy"] == 1.0 and figures["resent"] == 0
    assert figures["port"] == port and figures["model_sha256"] == load("model.npz").sha256


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.npy", "--model", "model.npz"), "there is no file 'missing.npy'"),
        (("frames.npy", "--model", "missing.npz"), "missing.npz"),
        (("frames.npy",), "no model was given for the accelerator at"),
        (("labels.npy", "--model", "model.npz"), "frames are int64"),
        (("frames.npy", "--model", "model.npz", "--labels", "frames.npy"), "labels have shape"),
    ],
)
def test_bad_input(port, capsys, arguments, message):
    before = sorted(os.listdir())
    assert run(*arguments, "--port", port, "-o", "scores.npy") == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and "Traceback" not in err
    assert sorted(os.listdir()) == before


def test_silence_leaves_nothing_behind(port, capsys):
    before = sorted(os.listdir())
    with Terminal(lambda _: b"") as silent:
        assert run(*ARGUMENTS, "--port", silent.name, "--timeout", "0.02") == 1
    assert "said nothing" in capsys.readouterr().err
    assert sorted(os.listdir()) == before


def test_several_ports(port, capsys):
    model = load("model.npz")
    with Terminal.of(fake_of(model)) as other:
        ports = ("--port", port, "--port", other.name)
        assert run(*ARGUMENTS, *ports, "--json", "--verify") == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["ports"] == [port, other.name] and figures["lost"] == {}
    assert figures["verified"] == 2 * len(model.vectors.frames)
    assert np.array_equal(np.load("scores.npy"), golden.scores(model, np.load("frames.npy")))


def test_a_port_that_is_lost_among_several(port, capsys):
    model = load("model.npz")
    with mortal(fake_of(model), 120) as other:
        ports = ("--port", port, "--port", other.name)
        assert run(*ARGUMENTS, *ports, "--timeout", "0.3", "--reconnect", "0") == 0
    assert f"lost {other.name}: the accelerator at " in capsys.readouterr().err
    assert np.array_equal(np.load("scores.npy"), golden.scores(model, np.load("frames.npy")))


def test_auto_among_several_ports(port, capsys):
    assert run(*ARGUMENTS, "--port", port, "--port", "auto") == 1
    assert "--port auto was given among 2 ports" in capsys.readouterr().err


USAGE = [("--timeout", "0"), ("--baud", "-1"), ("--baud", "x"), ("--reconnect", "-1")]


@pytest.mark.parametrize("option", USAGE)
def test_usage(port, option):
    assert run(*ARGUMENTS, "--port", port, *option) == 2
