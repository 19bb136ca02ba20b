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
from sw.golden import make_vectors
from sw.model import Preprocessing, load, save
from sw.model.ir import Dense, Graph, Head, Input, IntegerRange, TensorType
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


@pytest.mark.parametrize(("bits", "score_bytes"), [(1, 2), (8, 4)])
def test_scores_of_several_bytes(rng, tmp_path, bits, score_bytes):
    model = wide_model(rng, bits)
    save(model, tmp_path / "model.npz")
    frames = random_frames(rng, model.graph, 20)
    expected = golden.scores(model, frames)
    assert (np.abs(expected) >= 1 << 8 * score_bytes // 2).any(), "more than the low bytes"
    assert (expected < 0).any()
    with Accelerator(f"sim:{tmp_path / 'model.npz'}?mode=bytes") as accelerator:
        assert accelerator.info.score_bytes == score_bytes
        assert np.array_equal(accelerator.predict(frames), expected)


def wide_model(rng, bits):
    """A dense layer over 60 pixels of 8 bits, whose weights have ``bits``."""
    limit = max(1, 2 ** (bits - 1) - 1)
    shape = 3, 60
    weights = rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape)
    range_ = IntegerRange(low=0, high=255)
    zeros, ones = np.zeros(3), np.ones(3, np.float32)
    graph = Graph(
        ops=(
            Input(name="input", type=TensorType(height=6, width=10, channels=1, range=range_)),
            Dense(name="dense", source="input", weights=weights.astype(np.int8), weight_bits=bits),
            Head(
                name="head",
                source="dense",
                bias=zeros.astype(np.int32),
                scale=ones,
                offset=zeros.astype(np.float32),
            ),
        )
    )
    preprocessing = Preprocessing.identity()
    frames = random_frames(rng, graph, 3)
    return small_model(
        graph=graph, preprocessing=preprocessing, vectors=make_vectors(graph, preprocessing, frames)
    )


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
        session = Session(Spoilt(accelerator._session.link, to, back), timeout=0.5, tries=30)
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
        assert isinstance(accelerator._session.link, SimulatedLink)
        accelerator._session.link._process.kill()
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
