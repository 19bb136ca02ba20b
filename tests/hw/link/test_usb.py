"""USB as the link, on the bus: LUNA's own host for tests enumerates, asks and is answered.

The bus is LUNA's interface to a transceiver (UTMI): bit stuffing and clock recovery are LUNA's.
"""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from amaranth import Module
from amaranth.hdl import Elaboratable
from amaranth.lib.wiring import connect
from luna.gateware.test import usb_domain_test_case
from luna.gateware.test.usb2 import USBDeviceTest
from luna.gateware.usb.usb2 import USBPacketID
from usb_protocol.types import DescriptorTypes

from hw.link.usb import PRODUCT_ID, VENDOR_ID, UsbSerial
from hw.plan.link import LinkConfig
from sw.errors import PlanError
from sw.protocol import Command, Decoder, Packet

from .device import Device

CONFIG = LinkConfig(elements=12, code_bits=8, scores=3, score_bits=12)
DATA_ENDPOINT = 4


class OnTheBus(Elaboratable):
    """The accelerator's end of the link, behind USB."""

    def __init__(self, *, bus) -> None:
        self._usb = UsbSerial(bus=bus)
        self.device = Device(config=CONFIG, lanes=3)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.usb, m.submodules.device = self._usb, self.device
        connect(m, self._usb.o_stream, self.device.i_bytes)
        connect(m, self.device.o_bytes, self._usb.i_stream)
        return m


class TestUsb(USBDeviceTest):
    FRAGMENT_UNDER_TEST = OnTheBus
    # The core's clock is slower than the bus's of 60 MHz, and no part of it.
    SYNC_CLOCK_FREQUENCY = 37e6
    USB_CLOCK_FREQUENCY = 60e6

    def initialize_signals(self):
        yield self.utmi.line_state.eq(0b01)  # idle at full speed

    def send(self, data: bytes):
        """Bytes to the data endpoint, again while it is busy."""
        for start in range(0, len(data), 64):
            answer = USBPacketID.NAK
            while answer == USBPacketID.NAK:
                answer = yield from self.out_transaction(
                    *data[start : start + 64], endpoint=DATA_ENDPOINT, data_pid=self.toggle
                )
            assert answer == USBPacketID.ACK
            self.toggle = (
                USBPacketID.DATA1 if self.toggle == USBPacketID.DATA0 else USBPacketID.DATA0
            )

    def receive(self, count: int):
        """So many packets of the protocol, and the sizes of those on the bus."""
        decoder, packets, sizes = Decoder(), [], []
        while len(packets) < count:
            _, data = yield from self.in_transaction(endpoint=DATA_ENDPOINT)
            if data is None:
                yield from self.advance_cycles(200)
                continue
            sizes.append(len(data))
            packets += decoder.feed(bytes(data))
        return packets, sizes

    @usb_domain_test_case
    def test_hello_and_frame(self):
        self.toggle = USBPacketID.DATA0
        yield from self.set_address(0x31)
        _, descriptor = yield from self.get_descriptor(DescriptorTypes.DEVICE, length=18)
        assert descriptor is not None
        vendor, product = struct.unpack("<HH", bytes(descriptor)[8:12])
        assert (vendor, product) == (VENDOR_ID, PRODUCT_ID)
        yield from self.set_configuration(1)

        yield from self.send(Packet(command=Command.HELLO, number=7).encode())
        (identity,), sizes = yield from self.receive(1)
        assert (identity.command, identity.number) == (Command.IDENTITY, 7)
        told = self.dut.device.endpoint.identity.pack()
        assert identity.body[: len(told)] == told
        # The delimiter after reset, and the answer as soon as it is whole.
        assert sizes[0] == 1 and sizes[1] < 64

        codes = list(range(200, 212))
        frame = Packet(command=Command.FRAME, number=8, body=bytes(codes))
        yield from self.send(frame.encode())
        (result,), _ = yield from self.receive(1)
        assert (result.command, result.number) == (Command.RESULT, 8)
        assert result.body == self.dut.device.result(np.array(codes))


def test_without_luna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hw.link.usb_device", None)
    with pytest.raises(PlanError) as caught:
        UsbSerial(bus=None)
    assert str(caught.value) == (
        "USB needs the Python package luna-usb, which is not installed. Install it with "
        "pip install 'binarray[usb]', or take --link uart."
    )
