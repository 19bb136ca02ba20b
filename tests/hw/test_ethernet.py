"""The SoC on Ethernet: through GMII against the golden model."""

from __future__ import annotations

import ipaddress

import numpy as np
from amaranth import ClockDomain, ClockSignal, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.ethernet import EthernetSoC
from hw.link.ethernet import layers_hz
from hw.link.liteeth import Address
from sw import golden
from sw.model.npz import load, save
from sw.protocol import pack_codes, pack_scores
from tests.cocotb_runner import run_bench
from tests.graphs import random_frames
from tests.hw import ethernet_bench
from tests.hw.plan.graphs import random_plan
from tests.sw.model.small import small_model

CLOCK_HZ = 10**12 // ethernet_bench.CLOCK_PS


class Board(wiring.Component):
    """The clock of the wire as a port."""

    def __init__(self, soc: EthernetSoC) -> None:
        self._soc = soc
        super().__init__(
            {
                "wire_clk": In(1),
                "rx_dv": In(1),
                "rx_er": In(1),
                "rx_data": In(8),
                "tx_en": Out(1),
                "tx_data": Out(8),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.domains.wire = ClockDomain("wire", reset_less=True)
        m.submodules.soc = soc = self._soc
        m.d.comb += [
            ClockSignal("wire").eq(self.wire_clk),
            soc.rx_dv.eq(self.rx_dv),
            soc.rx_er.eq(self.rx_er),
            soc.rx_data.eq(self.rx_data),
            self.tx_en.eq(soc.tx_en),
            self.tx_data.eq(soc.tx_data),
        ]
        return m


def test_through_the_wire(rng, tmp_path):
    save(small_model(), tmp_path / "model.npz")
    model = load(tmp_path / "model.npz")
    address = Address(ip="192.168.1.200")
    soc = EthernetSoC(
        random_plan(rng, model, most_cycles=400), model, clock_hz=CLOCK_HZ, address=address
    )
    assert layers_hz(CLOCK_HZ) == CLOCK_HZ // 2
    frames = random_frames(rng, model.graph, 24)
    range_ = model.graph.input.type.range
    codes = range_.encode(model.preprocessing.apply(frames)).reshape(len(frames), -1)
    width = soc.identity.score_bytes
    results = [pack_scores(scores, width) for scores in golden.scores(model, frames)]
    run_bench(
        Board(soc),
        "tests.hw.ethernet_bench",
        tmp_path,
        data={
            "bodies": pack_codes(codes, range_.bits),
            "results": np.array([list(body) for body in results], np.uint8),
            "identity": np.frombuffer(soc.identity.pack(), np.uint8),
            "ip": np.frombuffer(ipaddress.ip_address(address.ip).packed, np.uint8),
            "mac": np.frombuffer(address.mac.to_bytes(6, "big"), np.uint8),
        },
        seed=int(rng.integers(2**31)),
        modules=soc.rtlil(),
        # cocotb's runner makes every signal public, which hinders Verilator so much that the C++
        # of LiteEth is 14 MB: the bench needs the ports alone. Then compiling takes longer than
        # running, hence -O0.
        verilator_options=["--no-public-flat-rw", "--public-depth", "1", "-CFLAGS", "-O0"],
    )
