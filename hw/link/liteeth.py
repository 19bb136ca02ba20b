"""LiteEth's UDP core as RTLIL, to stand beside Amaranth's in one file.

LiteEth is written in Migen, which emits Verilog; Yosys turns that into RTLIL. Its layers
are put together here as its own ``LiteEthUDPIPCore`` does, with two changes:

1. Registers between the layers. Otherwise a byte's valid goes from the MAC through IP and
   ICMP and the ready back, all in a cycle: 54 MHz on an ECP5 of speed grade 6.
2. Preamble, check sums and padding work in the clock domain of the layers and not in that
   of the wire, so that only FIFOs run at 125 MHz, and no byte is late on the wire: see
   `hw.link.ethernet`.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hw.flow.toolchain import find_yosys
from sw.errors import MissingToolError, PlanError

__all__ = ["CORE", "DEFAULT_IP", "DEFAULT_PORT", "Address", "core_rtlil"]

#: Name of the module.
CORE = "liteeth_udp"

#: What an accelerator has that was not given another address.
DEFAULT_IP, DEFAULT_PORT = "192.168.1.50", 8738

#: Most bytes of a ping that is answered.
PING_BYTES = 128

#: Bytes of the FIFOs between the clock domains; a power of two.
CROSSING = 16


@dataclass(frozen=True, kw_only=True)
class Address:
    """Who an accelerator is on the network.

    Parameters
    ----------
    ip : str
        IPv4 address in dots.
    port : int
        UDP port, 1 to 65,535.
    """

    ip: str = DEFAULT_IP
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        try:
            host = ipaddress.IPv4Address(self.ip)
        except ValueError:
            host = None
        # LiteEth takes whatever ends in 255 for a broadcast.
        if host is None or host.is_multicast or host.is_unspecified or host.packed[3] == 255:
            raise PlanError(
                f"'{self.ip}' is no address for an accelerator; allowed is the IPv4 address of a "
                "single host",
                f"Give --ip a free address of the host's network, such as {DEFAULT_IP}",
            )
        if not 0 < self.port < 65536:
            raise PlanError(
                f"UDP port {self.port} does not exist; allowed are 1 to 65535",
                f"Leave it out for {DEFAULT_PORT}",
            )

    @property
    def mac(self) -> int:
        """Ethernet address: 02:42 (locally administered) and the IP address's four bytes."""
        return 0x0242 << 32 | int(ipaddress.IPv4Address(self.ip))


def core_rtlil(address: Address, *, clock_hz: int) -> bytes:
    """The module `CORE` as RTLIL; the same bytes for the same arguments.

    Its ports, in two clock domains:

    - ``sys_clk``: ``rx_*``, the datagrams received (valid, ready, data, last, ip, port),
      and ``tx_*``, those to send (besides them, length in bytes).
    - ``wire_clk``: ``gmii_rx_*`` and ``gmii_tx_*`` (valid, ready, data, last), frames as
      they are on the wire, preamble and check sum included.

    Parameters
    ----------
    address : Address
    clock_hz : int
        Frequency of ``sys_clk``; times how long an answer to ARP is awaited.

    Raises
    ------
    MissingToolError
        LiteEth or Yosys is not installed.
    """
    if importlib.util.find_spec("liteeth") is None:
        raise MissingToolError(
            "Ethernet needs the Python package liteeth, which is not installed",
            "Install it: pip install 'binarray[ethernet]'",
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "core.v").write_text(_verilog(address, clock_hz), encoding="utf-8")
        find_yosys().run(
            [
                "-q",
                "-p",
                f"read_verilog core.v; hierarchy -top {CORE}; proc; opt_clean; "
                "setattr -unset src */t:* */w:* */p:* */m:* A:src; write_rtlil core.il",
            ],
            cwd=folder,
            log=folder / "yosys.log",
        )
        text = (folder / "core.il").read_bytes()
    # Yosys begins with its version, which says nothing of the design.
    return b"".join(line for line in text.splitlines(True) if not line.startswith(b"#"))


def _verilog(address: Address, clock_hz: int) -> str:
    core = _Core(clock_hz)
    core.add_layers(address)
    # An extra: imported where it is known to be there.
    verilog = import_module("migen.fhdl.verilog")
    return str(verilog.convert(core.module, core.ports, name=CORE))


class _Core:
    """The module in the making, in Migen.

    Attributes
    ----------
    module : migen.Module
    ports : set of migen.Signal
    """

    def __init__(self, clock_hz: int) -> None:
        self._clock_hz = clock_hz
        self._migen = migen = import_module("migen")
        self._stream = import_module("litex.soc.interconnect.stream")
        self.module = migen.Module()
        self.module.clock_domains.cd_sys = clock = migen.ClockDomain("sys", reset_less=True)
        self.ports = {clock.clk}

    def add_layers(self, address: Address) -> None:
        """LiteEth from MAC to UDP."""
        parts = self.module.submodules
        parts.mac = mac = import_module("liteeth.mac").LiteEthMAC(
            phy=self._wire(),
            dw=8,
            interface="crossbar",
            hw_mac=address.mac,
            with_preamble_crc=True,
            with_sys_datapath=True,
            tx_cdc_depth=CROSSING,
            rx_cdc_depth=CROSSING,
        )
        who = (address.mac, import_module("liteeth.common").convert_ip(address.ip))
        below = self._with_registers(mac)
        parts.arp = arp = import_module("liteeth.core.arp").LiteEthARP(
            below, *who, clk_freq=self._clock_hz, dw=8
        )
        parts.ip = ip = import_module("liteeth.core.ip").LiteEthIP(
            below, *who, arp.table, with_broadcast=False, dw=8
        )
        below = self._with_registers(ip)
        parts.icmp = import_module("liteeth.core.icmp").LiteEthICMP(
            below, who[1], dw=8, fifo_depth=PING_BYTES
        )
        parts.udp = udp = import_module("liteeth.core.udp").LiteEthUDP(below, who[1], dw=8)
        user = udp.crossbar.get_port(address.port, dw=8)
        for name in ("valid", "data", "last"):
            self._output(f"rx_{name}", getattr(user.source, name))
            self._input(f"tx_{name}", getattr(user.sink, name))
        self._output("rx_ip", user.source.ip_address)
        self._output("rx_port", user.source.src_port)
        self._input("rx_ready", user.source.ready)
        self._input("tx_ip", user.sink.ip_address)
        self._input("tx_port", user.sink.dst_port)
        self._input("tx_length", user.sink.length)
        self._output("tx_ready", user.sink.ready)
        self.module.comb += user.sink.src_port.eq(address.port)

    def _wire(self) -> Any:
        """What stands where LiteEth expects a PHY: the streams of frames, as ports."""
        wire = self._migen.Module()
        wire.dw = 8
        wire.integrated_ifg_inserter = True
        clock = self._migen.Signal(name_override="wire_clk")
        self.ports.add(clock)
        for name in ("eth_rx", "eth_tx"):
            domain = self._migen.ClockDomain(name, reset_less=True)
            setattr(self.module.clock_domains, f"cd_{name}", domain)
            self.module.comb += domain.clk.eq(clock)
        layout = import_module("liteeth.common").eth_phy_description(8)
        wire.source, wire.sink = (self._stream.Endpoint(layout) for _ in range(2))
        for name in ("valid", "data", "last"):
            self._input(f"gmii_rx_{name}", getattr(wire.source, name))
            self._output(f"gmii_tx_{name}", getattr(wire.sink, name))
        self._output("gmii_rx_ready", wire.source.ready)
        self._input("gmii_tx_ready", wire.sink.ready)
        return wire

    def _with_registers(self, layer: Any) -> Any:
        """``layer`` as those above see it: each port of its crossbar behind registers."""

        def get_port(*args: Any, **options: Any) -> SimpleNamespace:
            port, ends = layer.crossbar.get_port(*args, **options), {}
            for name in ("sink", "source"):
                end = getattr(port, name)
                register = self._stream.Buffer(end.description, pipe_valid=True, pipe_ready=True)
                self.module.submodules += register
                outer, inner = register.sink, register.source
                if name == "source":
                    outer, inner = inner, outer
                    self.module.comb += end.connect(inner)
                else:
                    self.module.comb += inner.connect(end)
                ends[name] = outer
            return SimpleNamespace(**ends)

        return SimpleNamespace(crossbar=SimpleNamespace(get_port=get_port))

    def _input(self, name: str, signal: Any) -> None:
        port = self._migen.Signal(len(signal), name_override=name)
        self.ports.add(port)
        self.module.comb += signal.eq(port)

    def _output(self, name: str, signal: Any) -> None:
        port = self._migen.Signal(len(signal), name_override=name)
        self.ports.add(port)
        self.module.comb += port.eq(signal)
