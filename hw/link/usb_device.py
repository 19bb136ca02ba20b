# amaranth: UnusedElaboratable=no
"""The device that `hw.link.usb` puts on the bus, made of LUNA's parts; needs the extra ``usb``."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Signal
from amaranth.hdl import Elaboratable
from luna.gateware.stream import StreamInterface
from luna.gateware.usb.devices.acm import ACMRequestHandlers, USBSerialDevice
from luna.gateware.usb.usb2.device import USBDevice
from luna.gateware.usb.usb2.endpoints.stream import USBStreamInEndpoint, USBStreamOutEndpoint
from luna.gateware.usb.usb2.request import StallOnlyRequestHandler
from usb_protocol.types import USBRequestType

__all__ = ["SerialDevice"]

_STATUS, _DATA = 3, 4  # endpoints, as LUNA's descriptors have them
_PACKET_BYTES = 64


class _StatusEndpoint(USBStreamInEndpoint):
    """Under a name of its own: LUNA tells endpoints of a class apart by their addresses in memory,
    and a design would not be the same twice."""


class SerialDevice(Elaboratable):
    """LUNA's `USBSerialDevice`, the same in every process, and without a request to connect.

    Parameters
    ----------
    bus : as `hw.link.usb.UsbSerial`
    vendor, product : int

    Attributes
    ----------
    rx, tx : StreamInterface
        From and to the host, in the domain ``usb``. A packet on the bus ends with ``tx.last``.
    """

    def __init__(self, *, bus: Any, vendor: int, product: int) -> None:
        self._bus = bus
        # Nothing else of it is wanted; hence the first line of this file.
        self._descriptors = USBSerialDevice(
            bus=bus,
            idVendor=vendor,
            idProduct=product,
            manufacturer_string="Binarray",
            product_string="Binarray accelerator",
            max_packet_size=_PACKET_BYTES,
        ).create_descriptors()
        self.rx, self.tx = StreamInterface(), StreamInterface()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.device = device = USBDevice(bus=self._bus)
        control = device.add_standard_control_endpoint(self._descriptors)
        control.add_request_handler(ACMRequestHandlers())
        control.add_request_handler(StallOnlyRequestHandler(_not_ours))
        # Of the serial port's state there is nothing to tell.
        device.add_endpoint(_StatusEndpoint(endpoint_number=_STATUS, max_packet_size=_PACKET_BYTES))
        receiver = USBStreamOutEndpoint(endpoint_number=_DATA, max_packet_size=_PACKET_BYTES)
        sender = USBStreamInEndpoint(endpoint_number=_DATA, max_packet_size=_PACKET_BYTES)
        device.add_endpoint(receiver)
        device.add_endpoint(sender)
        m.d.comb += [
            sender.stream.stream_eq(self.tx),
            self.rx.stream_eq(receiver.stream),
            device.connect.eq(1),
        ]
        return m


def _not_ours(setup: Any) -> Signal:
    return (setup.type == USBRequestType.VENDOR) | (setup.type == USBRequestType.RESERVED)
