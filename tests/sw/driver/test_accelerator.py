"""`Accelerator` on pseudo-terminals and sockets, with an accelerator in Python behind them."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from serial.tools import list_ports, list_ports_common

from sw import golden
from sw.driver import Accelerator, AcceleratorPool
from sw.driver import accelerator as accelerator_module
from sw.driver.links import SerialLink
from sw.errors import LinkError, ModelError
from sw.model import Model, load, save
from sw.protocol import Counters
from tests.graphs import random_frames
from tests.sw.model.small import small_model

from .fake import Fake, Noise, Terminal, identity


def fake_of(model: Model, **changes) -> Fake:
    """An accelerator that runs the golden model."""
    type_, head = model.graph.input.type, model.graph.types[model.graph.head.name]
    who = identity(
        elements=type_.size,
        code_bits=type_.range.bits,
        scores=head.size,
        **{"sha256": str(model.sha256), **changes},
    )

    def scores(_, codes):
        inputs = type_.range.decode(codes).reshape(1, *type_.shape)
        return golden.run(model.graph, inputs)[model.graph.head.name].reshape(-1)

    return Fake(who, scores=scores)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    save(small_model(), tmp_path / "model.npz")
    return load(tmp_path / "model.npz")


def test_predict_and_friends(rng, model):
    frames = random_frames(rng, model.graph, 150)
    expected = golden.scores(model, frames)
    classes = model.classify(expected)
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name, model) as accelerator:
        assert accelerator.info.model_sha256 == model.sha256
        done = []
        scores = accelerator.predict(frames, progress=done.append)
        assert scores.dtype == np.int32 and np.array_equal(scores, expected)
        assert sum(done) == 150
        assert np.array_equal(accelerator.classify(frames), classes)
        assert np.array_equal(list(accelerator.stream(iter(frames))), expected)
        assert accelerator.verify() == len(model.vectors.frames)
        wrong = classes.copy()
        wrong[:30] += 1
        found = accelerator.evaluate(frames, wrong)
        assert (found.frames, found.correct, found.accuracy) == (150, 120, 0.8)
        speed = accelerator.throughput(20)
        assert speed.frames == 20 and speed.resent == 0 and speed.frames_per_second > 0
        assert speed.link_frames_per_second is not None
        assert speed.link_frames_per_second > 1000
        assert accelerator.counters().bad_packets == 0


def test_model_given_as_a_path(rng, model, tmp_path):
    with (
        Terminal.of(fake_of(model)) as port,
        Accelerator(port.name, tmp_path / "model.npz") as accelerator,
    ):
        assert accelerator.verify() > 0


def test_model_never_saved(model):
    """A model in memory has the hash that its file would have."""
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name, small_model()) as accelerator:
        assert accelerator.verify() > 0


def test_without_a_model(rng, model):
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name) as accelerator:
        assert accelerator.info.slots == 4
        assert accelerator.counters() == Counters()
        with pytest.raises(ModelError) as caught:
            accelerator.predict(random_frames(rng, model.graph, 1))
        assert str(caught.value) == (
            f"no model was given for the accelerator at '{port.name}', whose model has SHA-256 "
            f"{model.sha256}. Give the model file that it was built from."
        )


def test_another_model(model):
    other = "ab" * 32
    with Terminal.of(fake_of(model, sha256=other)) as port:
        with pytest.raises(LinkError) as caught:
            Accelerator(port.name, model)
        assert str(caught.value) == (
            f"the accelerator at '{port.name}' was built from the model with SHA-256 {other}; the "
            f"model given, '{model.name}', has {model.sha256}. Give the model it was built from, "
            "or build and load a bitstream of this one."
        )


def test_wrong_scores_are_found_by_verify(model):
    fake = fake_of(model)
    right = fake.scores
    fake.scores = lambda who, codes: right(who, codes) + 1
    with Terminal.of(fake) as port, Accelerator(port.name, model) as accelerator:
        with pytest.raises(LinkError, match=r"as score 0 of test vector 0; the model says"):
            accelerator.verify()


def test_frames_of_another_shape(model):
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name, model) as accelerator:
        with pytest.raises(ModelError, match="frames have shape"):
            accelerator.predict(np.zeros((3, 99, 5, 1), np.uint8))
        with pytest.raises(ModelError, match="labels are float64 of shape"):
            accelerator.evaluate(model.vectors.frames, np.zeros(1))


def test_noise_on_the_wire(rng, model):
    fake = fake_of(model)
    noise = Noise("flip", rng, 0.002)

    def answer(data: bytes) -> bytes:
        fake.feed(noise(data))
        return noise(b"".join(iter(fake.step, b"")))

    frames = random_frames(rng, model.graph, 100)
    with Terminal(answer) as port, Accelerator(port.name, model, timeout=0.1, tries=20) as acc:
        assert np.array_equal(acc.predict(frames), golden.scores(model, frames))
        assert acc.resent > 0


def test_busy_port(model):
    with Terminal.of(fake_of(model)) as port, Accelerator(port.name):
        with pytest.raises(LinkError) as caught:
            Accelerator(port.name)
        assert str(caught.value) == (
            f"port '{port.name}' is in use by another program. Close that program, then try again."
        )


def listed(monkeypatch, *names: str) -> None:
    """Make ``names`` the serial ports of this machine."""
    infos = [list_ports_common.ListPortInfo(name) for name in names]
    monkeypatch.setattr(list_ports, "comports", lambda: infos)


def test_absent_port(monkeypatch):
    listed(monkeypatch, "/dev/ttyUSB7", "/dev/ttyACM1")
    with pytest.raises(LinkError) as caught:
        Accelerator("/dev/ttyUSB99")
    assert str(caught.value) == (
        "there is no port '/dev/ttyUSB99'; ports here: /dev/ttyACM1, /dev/ttyUSB7. Plug the board "
        "in, or give one of these, 'auto', 'socket://host:port' or 'sim:' and the folder of a "
        "build."
    )


def test_port_that_is_no_port(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LinkError, match="cannot open port"):
        Accelerator(str(tmp_path / "file"))


def test_silent_port(model):
    with Terminal(lambda _: b"") as port, pytest.raises(LinkError, match="said nothing"):
        Accelerator(port.name, timeout=0.05, tries=2)


def test_another_protocol(model):
    shell = Terminal(lambda _: b"sh: command not found\r\n")
    with shell as port, pytest.raises(LinkError, match="speaks another protocol"):
        Accelerator(port.name, timeout=0.05, tries=2)


def test_auto_finds_the_one_of_the_model(monkeypatch, model):
    with (
        Terminal.of(fake_of(model)) as right,
        Terminal.of(fake_of(model, sha256="cd" * 32)) as other,
        Terminal(lambda _: b"hello?") as stranger,
    ):
        listed(monkeypatch, "/dev/does-not-exist", stranger.name, other.name, right.name)
        with Accelerator("auto", model) as accelerator:
            assert accelerator.port == right.name
            assert accelerator.verify() > 0
        with pytest.raises(LinkError) as caught:
            Accelerator("auto")
        names = ", ".join(sorted((right.name, other.name)))
        assert str(caught.value) == f"there are accelerators at {names}. Name one of the ports."


def test_auto_tries_the_rates(monkeypatch, model):
    class Line(SerialLink):
        """One on which only 8 Mbaud are heard."""

        def read(self):
            return super().read() if self.baud == 8_000_000 else b""

    monkeypatch.setattr(accelerator_module, "SerialLink", Line)
    monkeypatch.setattr(accelerator_module, "DISCOVERY_TIMEOUT", 0.1)
    with Terminal.of(fake_of(model)) as port:
        listed(monkeypatch, port.name)
        with Accelerator("auto", model) as accelerator:
            assert accelerator.bauds == 8_000_000
        with AcceleratorPool("auto", model) as pool:
            assert pool.accelerators[0].bauds == 8_000_000
        with pytest.raises(LinkError, match=r"no accelerator was found: .*said nothing"):
            Accelerator("auto", baud=6_000_000)


def test_auto_finds_none(monkeypatch):
    listed(monkeypatch)
    with pytest.raises(LinkError) as caught:
        Accelerator("auto")
    assert str(caught.value) == (
        "no accelerator was found: ports here: none. Plug the board in and load its bitstream, or "
        "name the port."
    )


class Server:
    """A TCP device server for one connection."""

    def __init__(self, fake: Fake | None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.name = f"socket://127.0.0.1:{self._server.getsockname()[1]}"
        self._fake = fake
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            while self._fake is not None and (data := connection.recv(65536)):
                self._fake.feed(data)
                connection.sendall(b"".join(iter(self._fake.step, b"")))

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(5)
        self._server.close()


def test_socket(rng, model):
    frames = random_frames(rng, model.graph, 30)
    with Server(fake_of(model)) as server, Accelerator(server.name, model) as accelerator:
        assert np.array_equal(accelerator.predict(frames), golden.scores(model, frames))
        assert accelerator.throughput(5).link_frames_per_second is None


def test_socket_that_hangs_up():
    with Server(None) as server, pytest.raises(LinkError) as caught:
        Accelerator(server.name)
    assert f"port '{server.name}' was lost: " in str(caught.value)


def test_socket_where_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"socket://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(LinkError, match=f"cannot connect to '{name}': Connection refused"):
        Accelerator(name)


@pytest.mark.parametrize("name", ["socket://", "socket://host", "socket://h:99999", "socket://:5"])
def test_socket_without_a_port(name):
    with pytest.raises(LinkError, match="is no TCP port; allowed is socket://host:port"):
        Accelerator(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sim:nowhere", "there is nothing to simulate at 'nowhere'"),
        ("sim:", "there is nothing to simulate at ''"),
        ("sim:.?mode=fast", "asks the simulator for 'mode=fast'; allowed are mode=bits and"),
        ("sim:.?speed=1", "asks the simulator for 'speed=1'; allowed are mode=bits and mode=bytes"),
    ],
)
def test_simulated_port_that_cannot_be(name, message):
    with pytest.raises(LinkError, match=message):
        Accelerator(name)


def test_simulator_that_ends_at_once(tmp_path):
    with pytest.raises(LinkError, match=r"the simulator of 'sim:.*' ended with status \d+ before"):
        Accelerator(f"sim:{tmp_path}")
