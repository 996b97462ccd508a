// Drive a verilated design whose ports are streams (valid, ready, one beat), check the protocol,
// and write what was transferred, and when, to a binary file. Included by the C++ that
// gatewright.tools.verilator_binding generates.
//
// A cycle is: set the inputs, let combinational logic settle, look at the outputs, clock edge. A
// beat is transferred in a cycle in which valid and ready are both high. While an input is not
// valid its data carries garbage. Files hold little-endian 64-bit words:
//   stimulus: drain, patience, seed,
//             for each input:  beats, words[beats][in_words], gaps[beats]
//             for each output: beats expected, length of the ready pattern, pattern[length]
//   response: cycles, deadlock, broken rule (0: none), its port, its cycle,
//             for each input:  accepted, cycle[accepted]
//             for each output: beats, words[beats][out_words], cycle[beats]
#ifndef GATEWRIGHT_STREAM_DRIVER_HPP
#define GATEWRIGHT_STREAM_DRIVER_HPP

#include "driver.hpp"

namespace gatewright {

enum Rule : uint64_t { kNone, kDropped, kChanged, kDependent };
// That valid does not depend on ready is tried in each of the first cycles, then now and again: it
// costs a third of the time.
constexpr uint64_t kTriedAlways = 1024, kTriedEvery = 16;

struct Source {
    std::vector<uint64_t> words, gaps, accepted;
    uint64_t next = 0, gap = 0, mask = 0;
    bool left() const { return next < gaps.size(); }
    bool presents() const { return left() && gap == 0; }
    bool load(File& in, int size) {
        std::vector<uint64_t> beats(1);
        if (!in.read(beats)) return false;
        words.resize(beats[0] * size);
        gaps.resize(beats[0]);
        if (!in.read(words) || !in.read(gaps)) return false;
        gap = left() ? gaps[0] : 0;
        return true;
    }
    void taken(uint64_t cycle) {
        accepted.push_back(cycle);
        if (++next < gaps.size()) gap = gaps[next];
    }
};

struct Sink {
    std::vector<uint64_t> words, cycles, pattern, beat, held;
    uint64_t expected = 0;
    bool stalled = false;  // a beat was offered in the cycle before and not taken
    bool load(File& in, int size) {
        std::vector<uint64_t> head(2);
        if (!in.read(head)) return false;
        expected = head[0];
        pattern.resize(head[1]);
        beat.resize(size + 1);
        held.resize(size + 1);
        return in.read(pattern);
    }
    bool ready(uint64_t cycle) const { return pattern[cycle % pattern.size()]; }
};

template <class Binding>
struct StreamBench {
    using Model = typename Binding::Model;
    Model& model;
    Garbage garbage;
    std::vector<Source> sources = std::vector<Source>(Binding::inputs());
    std::vector<Sink> sinks = std::vector<Sink>(Binding::outputs());
    std::vector<uint64_t> noise;
    uint64_t cycle = 0, deadlock = 0, rule = kNone, port = 0;

    bool load(File& in) {
        uint64_t mask = 0;
        for (int i = 0; i < Binding::inputs(); ++i) {
            sources[i].mask = mask;
            mask += Binding::in_words(i);
            if (!sources[i].load(in, Binding::in_words(i))) return false;
        }
        noise.resize(mask + 1);
        for (int o = 0; o < Binding::outputs(); ++o) {
            if (!sinks[o].load(in, Binding::out_words(o))) return false;
        }
        return true;
    }
    void drive_garbage(int i) {
        const uint64_t* masks = Binding::masks + sources[i].mask;
        for (int w = 0; w < Binding::in_words(i); ++w) noise[w] = garbage.next() & masks[w];
        Binding::drive(model, i, noise.data());
    }
    void settle() {
        model.clk = 0;
        model.eval();
    }
    void edge() {
        model.clk = 1;
        model.eval();
    }
    void reset() {
        for (int n = 0; n < kResetCycles; ++n) {
            model.rst = 1;
            for (int i = 0; i < Binding::inputs(); ++i) {
                Binding::in_valid(model, i, n & 1);
                drive_garbage(i);
            }
            for (int o = 0; o < Binding::outputs(); ++o) Binding::out_ready(model, o, n & 2);
            settle();
            edge();
        }
        model.rst = 0;
    }
    void broken(Rule what, int where) {
        if (rule == kNone) {
            rule = what;
            port = where;
        }
    }
    void set_inputs() {
        for (int i = 0; i < Binding::inputs(); ++i) {
            Source& source = sources[i];
            const bool present = source.presents();
            Binding::in_valid(model, i, present);
            if (present) {
                Binding::drive(model, i, source.words.data() + source.next * Binding::in_words(i));
            } else {
                drive_garbage(i);
            }
        }
    }
    // Settle with the receivers as they are now; where it is tried, with none of them ready before.
    void set_outputs() {
        const bool tried = cycle < kTriedAlways || cycle % kTriedEvery == 0;
        std::vector<bool> offered(sinks.size());
        if (tried) {
            for (int o = 0; o < Binding::outputs(); ++o) Binding::out_ready(model, o, false);
            settle();
            for (int o = 0; o < Binding::outputs(); ++o) offered[o] = Binding::out_valid(model, o);
        }
        for (int o = 0; o < Binding::outputs(); ++o) {
            Binding::out_ready(model, o, sinks[o].ready(cycle));
        }
        settle();
        for (int o = 0; tried && o < Binding::outputs(); ++o) {
            if (offered[o] != Binding::out_valid(model, o)) broken(kDependent, o);
        }
    }
    // Return whether anything moved, or the bench itself keeps the design waiting.
    bool transfer() {
        bool moved = false;
        for (int i = 0; i < Binding::inputs(); ++i) {
            Source& source = sources[i];
            if (source.presents()) {
                if (Binding::in_ready(model, i)) {
                    source.taken(cycle);
                    moved = true;
                }
            } else if (source.left()) {
                --source.gap;
                moved = true;
            }
        }
        for (int o = 0; o < Binding::outputs(); ++o) moved |= take(o);
        return moved;
    }
    bool take(int o) {
        Sink& sink = sinks[o];
        if (!Binding::out_valid(model, o)) {
            if (sink.stalled) broken(kDropped, o);
            sink.stalled = false;
            return false;
        }
        Binding::sample(model, o, sink.beat.data());
        if (sink.stalled && sink.beat != sink.held) broken(kChanged, o);
        if (sink.ready(cycle)) {
            sink.words.insert(sink.words.end(), sink.beat.begin(), sink.beat.end() - 1);
            sink.cycles.push_back(cycle);
            sink.stalled = false;
        } else {
            sink.held = sink.beat;
            sink.stalled = true;
        }
        return true;
    }
    bool complete() const {
        for (const Source& source : sources) {
            if (source.left()) return false;
        }
        for (const Sink& sink : sinks) {
            if (sink.cycles.size() < sink.expected) return false;
        }
        return true;
    }
    bool spills() const {
        for (const Sink& sink : sinks) {
            if (sink.cycles.size() > sink.expected + kSpuriousKept) return true;
        }
        return false;
    }
    void run(uint64_t drain, uint64_t patience) {
        uint64_t quiet = 0;
        for (;; ++cycle) {
            set_inputs();
            set_outputs();
            quiet = transfer() ? 0 : quiet + 1;
            edge();
            if (rule != kNone || spills()) break;
            const bool done = complete();
            if (quiet >= (done ? drain : patience)) {
                deadlock = !done;
                break;
            }
        }
    }
    bool save(File& out) const {
        if (!out.write({cycle + 1, deadlock, rule, port, cycle})) return false;
        for (const Source& source : sources) {
            if (!out.write({source.accepted.size()}) || !out.write(source.accepted)) return false;
        }
        for (const Sink& sink : sinks) {
            const bool done = out.write({sink.cycles.size()}) && out.write(sink.words);
            if (!done || !out.write(sink.cycles)) return false;
        }
        return true;
    }
};

template <class Binding>
int simulate_streams(const char* stimulus, const char* response) {
    std::vector<uint64_t> head(3);
    File in(stimulus, "rb");
    if (!in.read(head)) return 3;

    VerilatedContext context;
    context.randReset(2);  // registers and memories start with random values
    context.randSeed(static_cast<int>(head[2] | 1));
    Verilated::threadContextp(&context);  // what shared modules take, which are models themselves
    typename Binding::Model model{&context, "harness"};
    StreamBench<Binding> bench{model, {head[2] | 1}};
    if (!bench.load(in)) return 3;
    bench.reset();
    bench.run(head[0], head[1]);
    model.final();

    File out(response, "wb");
    return bench.save(out) ? 0 : 4;
}

}  // namespace gatewright

#endif
