"""USB full speed as the link: a serial port of class CDC-ACM, by LUNA (the extra ``usb``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth import Module
from amaranth.lib import io, stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out

from hw.plan.cost import Cost
from sw.errors import PlanError

__all__ = ["AREA", "PRODUCT_ID", "USB_BYTES_PER_SECOND", "VENDOR_ID", "UsbPins", "UsbSerial"]

#: Of pid.codes, for tests and for boards that stay on their maker's desk: a product that is
#: sold or handed on needs one of its own.
VENDOR_ID, PRODUCT_ID = 0x1209, 0x0001

#: The most that USB 2.0, table 5-9, lets bulk transfers of 64 bytes carry at full speed, both
#: directions together: 19 packets in each millisecond.
USB_BYTES_PER_SECOND = 19 * 64 * 1000

#: What the link takes of an ECP5, LUNA included, beyond what a UART takes; routed, rounded up.
AREA = Cost(lut=1_800, ff=850)

#: Places between the clock domains: what hides the crossing's latency at a byte every eight
#: cycles of 12 MHz.
_CROSSING = 8


@dataclass(frozen=True, kw_only=True)
class UsbPins:
    """Buffers of the two lines, and of the pull-up that tells the host of a device.

    The names are those that LUNA looks for.
    """

    d_p: io.Buffer
    d_n: io.Buffer
    pullup: io.Buffer

    @classmethod
    def request(cls, platform: Any) -> UsbPins:
        """Those of the platform's resource ``usb``."""
        pins = platform.request("usb", 0, dir=dict.fromkeys(("d_p", "d_n", "pullup"), "-"))
        return cls(
            d_p=io.Buffer("io", pins.d_p),
            d_n=io.Buffer("io", pins.d_n),
            pullup=io.Buffer("o", pins.pullup),
        )


class UsbSerial(wiring.Component):
    """A serial port on USB, between its host and streams of bytes in the domain ``sync``.

    LUNA's device runs in the domains ``usb``, 12 MHz, and ``usb_io``, 48 MHz and of the same
    source; both streams cross to ``sync``, whose clock may be any. A byte of zero ends a packet of
    the protocol (`sw.protocol`), so it also ends a packet on the bus: an answer is on its way as
    soon as it is whole, and a transfer of whole 64 bytes is ended by an empty one.

    A host that stops reading stalls ``i_stream``; one that is not listened to is stalled in turn.

    Parameters
    ----------
    bus : UsbPins or a UTMI interface
        The lines, or LUNA's interface to a transceiver.

    Members
    -------
    i_stream : In(stream.Signature(8))
        To the host.
    o_stream : Out(stream.Signature(8))
        From the host.

    Raises
    ------
    PlanError
        LUNA is not installed.
    """

    def __init__(self, *, bus: Any) -> None:
        try:
            from hw.link.usb_device import SerialDevice
        except ImportError:
            raise PlanError(
                "USB needs the Python package luna-usb, which is not installed",
                "Install it with pip install 'binarray[usb]', or take --link uart",
            ) from None
        self._bus = bus
        self._device = SerialDevice(bus=bus, vendor=VENDOR_ID, product=PRODUCT_ID)
        super().__init__(
            {"i_stream": In(stream.Signature(8)), "o_stream": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bus = self._bus
        if isinstance(bus, UsbPins):
            m.submodules.d_p, m.submodules.d_n = bus.d_p, bus.d_n
            m.submodules.pullup = bus.pullup
        m.submodules.device = device = self._device
        m.submodules.received = received = AsyncFIFO(
            width=8, depth=_CROSSING, w_domain="usb", r_domain="sync"
        )
        m.submodules.sent = sent = AsyncFIFO(
            width=8, depth=_CROSSING, w_domain="sync", r_domain="usb"
        )
        m.d.comb += [
            received.w_en.eq(device.rx.valid),
            received.w_data.eq(device.rx.payload),
            device.rx.ready.eq(received.w_rdy),
            device.tx.valid.eq(sent.r_rdy),
            device.tx.payload.eq(sent.r_data),
            device.tx.last.eq(sent.r_data == 0),
            sent.r_en.eq(device.tx.ready & sent.r_rdy),
        ]
        wiring.connect(m, wiring.flipped(self.i_stream), sent.w_stream)
        wiring.connect(m, received.r_stream, wiring.flipped(self.o_stream))
        return m
