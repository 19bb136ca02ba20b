// The compiled design's bench: cycles, streams and serial lines, driven from C++
// so that a frame costs no Python. `ports.h`, written beside this file by
// sim/cxxrtl.py, includes the design and maps its port names onto members.

#include <cstdint>
#include <cstring>
#include <vector>

#include "ports.h"

namespace {

using cxxrtl::value;
using cxxrtl::wire;

template <size_t W> void put(value<W> &port, const uint32_t *words) {
  for (size_t i = 0; i < value<W>::chunks; i++) port.data[i] = words[i];
}
template <size_t W> void get(const value<W> &port, uint32_t *words) {
  for (size_t i = 0; i < value<W>::chunks; i++) words[i] = port.data[i];
}
template <size_t W> void get(const wire<W> &port, uint32_t *words) { get(port.curr, words); }
template <size_t W> bool bit(const value<W> &port) { return port.data[0] & 1; }
template <size_t W> bool bit(const wire<W> &port) { return port.curr.data[0] & 1; }

// xorshift64*: stalls need speed and a seed, not quality.
struct Random {
  uint64_t state;
  bool below(uint32_t limit) {  // true with probability limit / 2**32
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return uint32_t((state * 0x2545F4914F6CDD1DULL) >> 32) < limit;
  }
};

// One output stream that is only watched: beats that pass are appended.
struct Tap {
  uint32_t *beats;    // room for `limit` beats of `words` words
  uint64_t words, limit, count;
};

struct Bench {
  DESIGN top;
  uint64_t cycles = 0;
  uint64_t idle = 0;  // cycles since anything moved, kept from call to call

  // A serial line: the bit clock as cycles per bit, which need not be a whole number.
  double send_phase = 0, receive_phase = 0;
  int send_bit = -1, receive_bit = -1;
  uint8_t send_byte = 0, receive_byte = 0;
  bool line = true;
  uint64_t broken_to = 0, broken_back = 0;  // cycles for which a line is held low

  // A cycle: `settle` makes the outputs valid for the inputs of now, `tick` is the edge.
#ifdef FEEDBACK
  void settle() {
    top.p_clk.set(false);
    top.step();
  }
  void tick() {
    top.p_clk.set(true);
    top.step();
    cycles++;
  }
#else
  // Without combinational feedback one evaluation gives the outputs before the edge and
  // the registers' next values, which only commit() makes present.
  void settle() {
    top.prev_p_clk.set(false);
    top.p_clk.set(true);
    top.eval();
  }
  void tick() {
    top.commit();
    cycles++;
  }
#endif
};

}  // namespace

extern "C" {

Bench *bench_new() {
  Bench *bench = new Bench;
  bench->top.p_rst.set(true);
  for (int i = 0; i < 4; i++) bench->settle(), bench->tick();
  bench->top.p_rst.set(false);
  bench->cycles = 0;
  return bench;
}

void bench_delete(Bench *bench) { delete bench; }

uint64_t bench_cycles(Bench *bench) { return bench->cycles; }

// The design's reset, while all around it goes on as it was.
void bench_reset(Bench *bench) {
  bench->top.p_rst.set(true);
  for (int i = 0; i < 4; i++) bench->settle(), bench->tick();
  bench->top.p_rst.set(false);
}

#ifdef LOADED
// Cycles with nothing on the link until the design's weights have come, or `limit` have passed.
// Returns whether they have.
bool bench_load(Bench *bench, uint64_t limit) {
  auto &top = bench->top;
#ifdef HAS_UART
  top.RX.set(true);
#else
  top.I_VALID.set(false);
  top.O_READY.set(false);
#endif
  for (uint64_t i = 0; i < limit; i++) {
    bench->settle();
    if (bit(top.LOADED)) return true;
    bench->tick();
  }
  return false;
}
#endif

#ifdef HAS_STREAMS
// Feeds `i_count` beats and collects `o_count`, and what passes the taps until they
// are full; stops early after `idle_limit` cycles in which nothing moved. A stall is a cycle in which the bench withholds
// valid or ready; a valid once given stays until taken, as streams demand.
// `i_cycles` and `o_cycles` receive the cycle of each transfer. Returns the number
// of output beats seen.
uint64_t bench_stream(Bench *bench, const uint32_t *i_beats, uint64_t i_count, uint64_t *i_cycles,
                      uint32_t *o_beats, uint64_t o_count, uint64_t *o_cycles, Tap *taps,
                      uint32_t i_stall, uint32_t o_stall, uint64_t seed, uint64_t idle_limit) {
  auto &top = bench->top;
  Random random{seed * 2 + 1};
  uint64_t sent = 0, received = 0, idle = 0;
  bool valid = false;
  while ((received < o_count || !TAPS_FULL(taps)) && idle < idle_limit) {
    if (!valid && sent < i_count && !random.below(i_stall)) {
      valid = true;
      put(top.I_PAYLOAD, i_beats + sent * I_WORDS);
    }
    top.I_VALID.set(valid);
    bool ready = !random.below(o_stall);
    top.O_READY.set(ready);
    bench->settle();
    idle++;
    if (valid && bit(top.I_READY)) {
      i_cycles[sent++] = bench->cycles;
      valid = false;
      idle = 0;
    }
    if (ready && bit(top.O_VALID)) {
      get(top.O_PAYLOAD, o_beats + received * O_WORDS);
      o_cycles[received++] = bench->cycles;
      idle = 0;
    }
    WATCH_TAPS(top, taps)
    bench->tick();
  }
  top.I_VALID.set(false);
  top.O_READY.set(false);
  return received;
}
#endif

#ifdef HAS_BYTES
// Byte streams: offers `i_bytes` and takes what comes, for at most `limit` cycles, until
// nothing has moved for `silence`, or for `pause` after an answer. Returns whether the
// design has fallen silent.
bool bench_bytes(Bench *bench, const uint8_t *i_bytes, uint64_t i_count, uint64_t *i_done,
                 uint8_t *o_bytes, uint64_t o_room, uint64_t *o_done, uint64_t limit,
                 uint64_t silence, uint64_t pause) {
  auto &top = bench->top;
  Bench &b = *bench;
  uint64_t sent = 0, received = 0, end = b.cycles + limit;
  if (i_count) b.idle = 0;
  while (b.cycles < end && b.idle < silence && !(received && b.idle >= pause)) {
    bool valid = sent < i_count, ready = received < o_room;
    uint32_t byte = valid ? i_bytes[sent] : 0;
    put(top.I_PAYLOAD, &byte);
    top.I_VALID.set(valid);
    top.O_READY.set(ready);
    b.settle();
    b.idle++;
    if (valid && bit(top.I_READY)) sent++, b.idle = 0;
    if (ready && bit(top.O_VALID)) {
      get(top.O_PAYLOAD, &byte);
      o_bytes[received++] = byte;
      b.idle = 0;
    }
    b.tick();
  }
  *i_done = sent, *o_done = received;
  return b.idle >= silence;
}
#endif

#ifdef HAS_UART
// Holds the serial lines low, to the design and from it, for so many cycles of `bench_uart`.
void bench_break(Bench *bench, uint64_t to, uint64_t back) {
  bench->broken_to = to, bench->broken_back = back;
}

// A serial line, bit by bit: 8N1 at `bit_cycles` clock cycles a bit on our side.
// Sends `i_bytes` back to back and samples the design's line in mid-bit; stops as
// `bench_bytes` does.
bool bench_uart(Bench *bench, const uint8_t *i_bytes, uint64_t i_count, uint64_t *i_done,
                uint8_t *o_bytes, uint64_t o_room, uint64_t *o_done, uint64_t limit,
                uint64_t silence, uint64_t pause, double bit_cycles) {
  auto &top = bench->top;
  Bench &b = *bench;
  uint64_t sent = 0, received = 0, end = b.cycles + limit;
  if (i_count) b.idle = 0;
  while (b.cycles < end && b.idle < silence && !(received && b.idle >= pause) &&
         received < o_room) {
    b.idle++;
    if (b.send_bit < 0 && sent < i_count) {
      b.send_byte = i_bytes[sent];
      b.send_bit = 0;
      b.send_phase = 0;
    }
    b.line = true;
    if (b.send_bit >= 0) {
      b.idle = 0;
      if (b.send_bit == 0) b.line = false;
      else if (b.send_bit <= 8) b.line = (b.send_byte >> (b.send_bit - 1)) & 1;
      b.send_phase += 1;
      if (b.send_phase >= bit_cycles) {
        b.send_phase -= bit_cycles;
        if (++b.send_bit == 10) b.send_bit = -1, sent++;
      }
    }
    if (b.broken_to || b.broken_back) b.idle = 0;
    top.RX.set(b.line && !b.broken_to);
    b.settle();
    bool tx = bit(top.TX) && !b.broken_back;
    b.broken_to -= b.broken_to != 0, b.broken_back -= b.broken_back != 0;
    if (b.receive_bit < 0 && !tx) {  // a start bit: sample it in its middle
      b.receive_bit = 0;
      b.receive_phase = bit_cycles / 2;
      b.receive_byte = 0;
    }
    if (b.receive_bit >= 0) {
      b.idle = 0;
      b.receive_phase -= 1;
      if (b.receive_phase <= 0) {
        b.receive_phase += bit_cycles;
        if (b.receive_bit == 0 && tx) b.receive_bit = -2;  // a glitch
        else if (b.receive_bit >= 1 && b.receive_bit <= 8) b.receive_byte |= tx << (b.receive_bit - 1);
        else if (b.receive_bit == 9) {
          if (tx) o_bytes[received++] = b.receive_byte;
          b.receive_bit = -2;
        }
        b.receive_bit++;
      }
    }
    b.tick();
  }
  *i_done = sent, *o_done = received;
  return b.idle >= silence;
}
#endif
}
