"""Line buffer, serial mode: one word of ``simd`` lanes in, one a column out, every cycle."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import ReadPort
from amaranth.lib.wiring import In, Out

from hw.blocks.counters import Loop, make_memory, nest, read_registered, replicate
from hw.blocks.grants import Grant, count_grants, grant_next
from hw.plan.stream import LineBufferConfig

__all__ = ["SerialLineBuffer"]


@dataclass(kw_only=True)
class _Walk:
    """The reader's loops, innermost first; a `Loop` of one turn where there is none.

    ``run`` is a row of the window in one, ``word`` and ``kx`` the same in two.
    """

    run: Loop
    word: Loop
    kx: Loop
    ky: Loop
    repeat: Loop
    group: Loop
    oy: Loop

    @property
    def loops(self) -> list[Loop]:
        return [self.run, self.word, self.kx, self.ky, self.repeat, self.group, self.oy]

    @property
    def row_last(self) -> Value:
        """The last word of a row of the window."""
        return self.run.last & self.word.last & self.kx.last

    @property
    def finished(self) -> Value:
        """The last word of a group of windows, in its last repetition."""
        return self.row_last & self.ky.last & self.repeat.last


class SerialLineBuffer(wiring.Component):
    """The map goes into circular memories, and is read tap by tap.

    1. Where a word lies, and which words are read at once for several columns, says
       `hw.plan.places`. Every move of the reader, from word to word, window to window
       and frame to frame, adds one of a few constants to its place.
    2. The writer knows with which pixel a group of windows becomes complete, and
       counts complete ones in `waiting`; up to two of them are granted to the reader
       in advance. A group that has been granted is read without any further check.
    3. `room` is how many words may still be written before one would be lost that
       the present group or a later one may need, less one: its sign is `ready`. As
       windows only move on, it grows when a group has been read for the last time;
       if the frame is but one window, with each word of the last repetition.
    4. A word is written at least three cycles before it is read, and read before its
       place is given free: no word that is wanted is ever written in the same cycle,
       as `read_registered` asks.

    Parameters
    ----------
    config : LineBufferConfig
        Of serial mode.

    Members
    -------
    As `hw.blocks.line_buffer.LineBuffer`.
    """

    def __init__(self, *, config: LineBufferConfig) -> None:
        assert config.mode == "serial"
        self.config = config
        width = config.simd * config.lane_bits
        super().__init__(
            {
                "i_stream": In(stream.Signature(unsigned(width))),
                "o_stream": Out(stream.Signature(unsigned(config.columns * width))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self.config
        bits = (config.capacity + config.walk.lead).bit_length() + 1
        # Words that the reader gives free, less one.
        released = Signal(bits, init=-1)
        most = max(1, *config.completions)
        grant = Grant(complete=Signal(range(-1, most), init=-1))
        ports = self._write(m, released, grant)
        count_grants(m, grant, config.waiting)
        self._read(m, ports, released, grant)
        return m

    def _write(self, m: Module, released: Signal, grant: Grant) -> list[ReadPort]:
        """The banks and their writer."""
        config = self.config
        cell, columns = config.places.cell, config.columns
        room = Signal.like(
            released, name="room", init=config.capacity - 1 + int(config.walk.first[0])
        )
        write_now = Signal()
        m.d.comb += [
            self.i_stream.ready.eq(~room[-1]),
            write_now.eq(self.i_stream.valid & self.i_stream.ready),
        ]
        m.d.sync += room.eq((Cat(1, room) + Cat(~write_now, released))[1:])

        word, x = Loop(config.pixel_beats, "i_word"), Loop(config.width, "i_x")
        y = Loop(config.height, "i_y")
        nest(m, write_now, word, x, y)
        self._complete(m, grant, write_now & word.last, x, y)
        bank, target = Loop(columns, "bank"), Signal(range(config.depth))
        move: Value = Const(1)
        if columns > 1:
            # Through a cell of one bank after the other, and on where the row ends.
            offset, row_last = Loop(cell, "offset"), word.last & x.last
            nest(m, write_now, offset, bank)
            with m.If(write_now & row_last):
                m.d.sync += [
                    loop.value.eq(loop.start)
                    for loop in (offset, bank)
                    if isinstance(loop.value, Signal)
                ]
            used = ((config.width - 1) % config.stride[1] + 1) * config.pixel_beats
            move = Signal.like(target, name="i_move")
            m.d.comb += move.eq(1)
            with m.If(row_last):
                m.d.comb += move.eq(cell - used + 1)
            with m.Elif(offset.last & ~bank.last):
                m.d.comb += move.eq((1 - cell) % (1 << len(target)))
        with m.If(write_now):
            m.d.sync += target.eq(target + move)

        ports = []
        for index in range(columns):
            m.submodules[f"bank_{index}"] = memory = make_memory(
                len(self.i_stream.payload), config.depth, config.memory
            )
            port = memory.write_port()
            m.d.comb += [
                port.en.eq(write_now & bank.at([index])),
                port.addr.eq(target),
                port.data.eq(self.i_stream.payload),
            ]
            ports.append(memory.read_port(domain="comb"))
        return ports

    def _complete(self, m: Module, grant: Grant, pixel: Value, x: Loop, y: Loop) -> None:
        """Tell which groups a pixel completes, a cycle later."""
        config = self.config
        rows, columns = config.completing_rows, config.completing_columns
        most, all_rows = config.completions
        m.d.sync += grant.complete.eq(-1)
        with m.If(pixel & y.at(rows) & x.at(columns)):
            m.d.sync += grant.complete.eq(0)
            if all_rows > 1:
                with m.If(x.at([max(columns)])):
                    m.d.sync += grant.complete.eq(most - 1)
                    with m.If(y.at([max(rows)])):
                        m.d.sync += grant.complete.eq(all_rows - 1)

    def _read(self, m: Module, ports: list[ReadPort], released: Signal, grant: Grant) -> None:
        """From places to the output."""
        config = self.config
        enable, step, done = Signal(), Signal(), Signal()
        walk = self._loops()
        m.d.comb += [
            enable.eq(~self.o_stream.valid | self.o_stream.ready),
            step.eq(enable & grant.open),
            done.eq(step & walk.finished),
        ]
        grant_next(m, grant, done)
        nest(m, step, *walk.loops)
        self._release(m, step, walk, released)
        place, further = self._move(m, step, walk)
        data = []
        for index, port in enumerate(ports):
            turned = walk.kx.at(
                [k for k, (_, rotation) in enumerate(config.places.taps) if rotation > index]
            )
            address = Mux(turned, further, place)
            data.append(read_registered(m, port, address, enable, config.read_cycles))
        self._emit(m, enable, step, walk, data)

    def _loops(self) -> _Walk:
        config = self.config
        beats, kw = config.pixel_beats, config.kernel[1]
        # Without padding at the sides, a row of the window is one run of words.
        split = bool(config.outside_columns) or config.columns > 1
        return _Walk(
            run=Loop(1 if split else kw * beats, "run"),
            word=Loop(beats if split else 1, "word"),
            kx=Loop(kw if split else 1, "kx"),
            ky=Loop(config.kernel[0], "ky"),
            repeat=Loop(config.repeats, "repeat"),
            group=Loop(config.groups, "group"),
            oy=Loop(config.output_height, "oy"),
        )

    def _release(self, m: Module, step: Value, walk: _Walk, released: Signal) -> None:
        """Words given free, less one: see the class's point 3."""
        config = self.config
        (kh, kw), (sy, sx), beats = config.kernel, config.stride, config.pixel_beats
        row = config.width * beats
        m.d.sync += released.eq(-1)
        if config.single:
            window = (kh - 1) * row + kw * beats - 1
            with m.If(step & walk.repeat.last):
                m.d.sync += released.eq(0)
                with m.If(walk.row_last):
                    m.d.sync += released.eq(row - kw * beats)
                with m.If(walk.finished):
                    m.d.sync += released.eq(config.input_beats - window - 1)
            return
        group = config.columns * sx * beats
        line = (config.groups - 1) * group
        with m.If(step & walk.finished):
            m.d.sync += released.eq(group - 1)
            with m.If(walk.group.last):
                m.d.sync += released.eq(sy * row - line - 1)
                with m.If(walk.oy.last):
                    frame = (config.output_height - 1) * sy * row
                    m.d.sync += released.eq(config.input_beats - frame - line - 1)

    def _move(self, m: Module, step: Value, walk: _Walk) -> tuple[Signal, Value]:
        """The reader's place, and the one a cell further on."""
        config, places = self.config, self.config.places
        taps, beats, sy = [tap for tap, _ in places.taps], config.pixel_beats, config.stride[0]
        place = Signal(range(config.depth), init=(taps[0] - config.top * places.row) % config.depth)
        move = Signal.like(place, name="move", init=0)
        # Distances: back from a window's last word to its first, from a row's last
        # group to its first, and from a frame's last row of windows to its first.
        across = taps[-1] - taps[0] + beats - 1
        window = (config.kernel[0] - 1) * places.row + across
        line = (config.groups - 1) * places.step
        frame = (config.output_height - 1) * sy * places.row

        def add(distance: int) -> None:
            m.d.comb += move.eq(distance % config.depth)

        add(config.height * places.row - frame - line - window)
        with m.If(~walk.oy.last):
            add(sy * places.row - line - window)
        with m.If(~walk.group.last):
            add(places.step - window)
        with m.If(~walk.repeat.last):
            add(-window)
        with m.If(~walk.ky.last):
            add(places.row - across)
        with m.If(~(walk.run.last & walk.kx.last)):
            add(1)
            # Where the next tap's words do not follow this one's.
            back = [k for k in range(len(taps) - 1) if taps[k + 1] - taps[k] != beats]
            with m.If(walk.kx.at(back)):
                add(1 - places.cell)
        with m.If(~walk.word.last):
            add(1)
        with m.If(step):
            m.d.sync += place.eq(place + move)
        if config.columns == 1:
            return place, place
        further = Signal.like(place, init=(place.init + places.cell) % config.depth)
        with m.If(step):
            m.d.sync += further.eq(further + move)
        return place, further

    def _emit(self, m: Module, enable: Value, step: Value, walk: _Walk, data: list[Value]) -> None:
        """Behind the memories: turn the banks' words, and put the code of the padding."""
        config = self.config
        columns, cycles = config.columns, config.read_cycles
        rotations = [rotation for _, rotation in config.places.taps]
        rotation = Signal(range(columns), name="rotation")
        for turn in set(rotations) - {0}:
            with m.If(walk.kx.at([k for k, r in enumerate(rotations) if r == turn])):
                m.d.comb += rotation.eq(turn)
        tags: Value = Cat(step, rotation, *(self._outside(walk, j) for j in range(columns)))
        for cycle in range(cycles):
            later = Signal(len(tags), name=f"tags_{cycle}")
            with m.If(enable):
                m.d.sync += later.eq(tags)
            tags = later
        turn, blank = tags[1 : 1 + len(rotation)], tags[1 + len(rotation) :]
        pad = replicate(config.pad_code, config.lane_bits, config.simd)
        with m.If(enable):
            m.d.sync += self.o_stream.valid.eq(tags[0])
        for column in range(columns):
            word = self.o_stream.payload.word_select(column, len(data[0]))
            with m.If(enable):
                m.d.sync += word.eq(data[(column + rotations[0]) % columns])
                for other in set(rotations) - {rotations[0]}:
                    with m.If(turn == other):
                        m.d.sync += word.eq(data[(column + other) % columns])
            # Outermost, which makes it the flip-flops' own reset.
            with m.If(enable & blank[column]):
                m.d.sync += word.eq(pad)

    def _outside(self, walk: _Walk, column: int) -> Value:
        """Whether the tap that is read is outside the map for a column of the group."""
        config = self.config
        across = {
            x // config.columns: mask
            for x, mask in config.outside_columns.items()
            if x % config.columns == column
        }
        return _either(walk.kx, walk.group, across) | _either(walk.ky, walk.oy, config.outside_rows)


def _either(tap: Loop, window: Loop, table: dict[int, tuple[bool, ...]]) -> Value:
    """Whether a tap is outside, as ``table`` says for some positions of the window."""
    taps: dict[frozenset[int], list[int]] = {}
    for k in range(tap.count):
        positions = frozenset(position for position, mask in table.items() if mask[k])
        if positions:
            taps.setdefault(positions, []).append(k)
    outside: Value = Const(0)
    for positions, group in taps.items():
        outside = outside | (tap.at(group) & window.at(positions))
    return outside
