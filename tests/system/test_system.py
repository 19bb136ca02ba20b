"""`Accelerator` against the compiled SoC, bit by bit and byte by byte, on a spoilt line too."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from sw import cli, golden
from sw.driver import Accelerator
from sw.driver.links import Link
from sw.driver.session import Session
from sw.driver.simulated import SimulatedLink
from sw.errors import LinkError
from sw.model import load, save
from sw.protocol import pack_codes
from sw.run import main
from tests.graphs import random_frames
from tests.sw.driver.fake import Noise, nothing
from tests.sw.model.small import small_model


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("system") / "model.npz"
    save(small_model(), path)
    return path


@pytest.fixture(scope="module", params=["bits", "bytes"])
def accelerator(request, model_path):
    with Accelerator(f"sim:{model_path}?mode={request.param}") as opened:
        yield opened


class Spoilt(Link):
    """Another link with noise on both ways."""

    def __init__(self, link: Link, to, back) -> None:
        self.name, self.timeout = link.name, link.timeout
        self._link, self._to, self._back = link, to, back

    def read(self) -> bytes:
        return self._back(self._link.read())

    def write(self, data: bytes) -> None:
        self._link.write(self._to(data))

    def close(self) -> None:
        self._link.close()


def test_vectors(accelerator):
    assert accelerator.verify() == len(accelerator.model.vectors.frames)


def test_frames(rng, accelerator):
    frames = random_frames(rng, accelerator.model.graph, 120)
    expected = golden.scores(accelerator.model, frames)
    before = accelerator.counters()
    assert np.array_equal(accelerator.predict(frames), expected)
    after = accelerator.counters()
    assert after.frames_in - before.frames_in == after.frames_out - before.frames_out == 120
    assert after.bad_packets == after.overruns == 0
    found = accelerator.evaluate(frames, accelerator.model.classify(expected))
    assert found.accuracy == 1.0


def test_a_stream_cut_off(rng, accelerator):
    frames = random_frames(rng, accelerator.model.graph, 40)
    expected = golden.scores(accelerator.model, frames)
    stream = accelerator.stream(iter(frames))
    assert np.array_equal(next(stream), expected[0])
    stream.close()
    assert np.array_equal(accelerator.predict(frames[20:]), expected[20:])


@pytest.mark.parametrize("kind", Noise.KINDS)
def test_noise_on_the_wire(rng, accelerator, kind):
    model = accelerator.model
    frames = random_frames(rng, model.graph, 80)
    range_ = model.graph.input.type.range
    codes = range_.encode(model.preprocessing.apply(frames)).reshape(len(frames), -1)
    bodies = [body.tobytes() for body in pack_codes(codes, range_.bits)]
    both = Noise(kind, rng, 0.004), Noise(kind, rng, 0.004)
    for to, back in (both, (both[0], nothing), (nothing, both[1])):
        session = Session(Spoilt(accelerator._link, to, back), timeout=0.5, tries=30)
        assert np.array_equal(list(session.run(bodies)), golden.scores(model, frames))


def test_command(rng, model_path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = load(model_path)
    frames = random_frames(rng, model.graph, 30)
    np.save("frames.npy", frames)
    port = f"sim:{model_path}?mode=bytes"
    arguments = ("frames.npy", "--port", port, "-o", "scores.npy", "--verify", "--json")
    with pytest.raises(SystemExit) as caught:
        cli.run(lambda: main(arguments))
    assert caught.value.code == 0
    assert np.array_equal(np.load("scores.npy"), golden.scores(model, frames))
    assert json.loads(capsys.readouterr().out)["verified"] == len(model.vectors.frames)


def test_a_simulator_that_dies_is_noticed_at_once(rng, model_path):
    frames = random_frames(rng, load(model_path).graph, 200)
    with Accelerator(f"sim:{model_path}?mode=bytes") as accelerator:
        stream = accelerator.stream(iter(frames))
        next(stream)
        assert isinstance(accelerator._link, SimulatedLink)
        accelerator._link._process.kill()
        with pytest.raises(LinkError, match=r"the simulator of 'sim:.*' ended with status -9\."):
            list(stream)


def test_simulator_ends_with_its_host(model_path):
    """Even where the host was killed, and had no time to tidy up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sim.serve", "--model", model_path, "--mode=bytes", "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        assert process.stdout.readline().startswith("port: ")
        process.stdin.close()
        assert process.wait(60) == 0
