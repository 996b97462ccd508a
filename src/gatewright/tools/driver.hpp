// Drive a verilated design with a streaming top from a binary file of stimulus, and write what it
// answers to a binary file. Included by the C++ that gatewright.tools.verilator_build generates.
//
// A cycle is: set the inputs, let combinational logic settle, look at the outputs, clock edge. So
// a combinational path answers in the cycle in which it was asked (latency 0), one register makes
// it 1. While valid_in is low the data inputs carry garbage. Files hold little-endian 64-bit words:
//   stimulus: samples, drain, max_latency, seed, words[samples][in], gaps[samples]
//   response: outputs, accepted, cycles, words[outputs][out], output_cycle[outputs],
//             accept_cycle[accepted]
#ifndef GATEWRIGHT_DRIVER_HPP
#define GATEWRIGHT_DRIVER_HPP

#include <cstdint>
#include <cstdio>
#include <vector>

#include "verilated.h"

namespace gatewright {

constexpr int kResetCycles = 6;
constexpr uint64_t kSpuriousKept = 64;  // outputs beyond one a sample before a run is given up

// Ports of up to 64 bits are plain integers in Verilator, wider ones arrays of 32-bit words.
template <class Port>
inline void put(Port& port, const uint64_t* words) {
    port = static_cast<Port>(words[0]);
}
template <std::size_t N>
inline void put(VlWide<N>& port, const uint64_t* words) {
    for (std::size_t i = 0; i < N; ++i) {
        port[i] = static_cast<uint32_t>(words[i / 2] >> (32 * (i % 2)));
    }
}
template <class Port>
inline void get(const Port& port, uint64_t* words) {
    words[0] = port;
}
template <std::size_t N>
inline void get(const VlWide<N>& port, uint64_t* words) {
    for (std::size_t i = 0; i < N; i += 2) {
        const uint64_t high = i + 1 < N ? port[i + 1] : 0;
        words[i / 2] = port[i] | high << 32;
    }
}

// Marsaglia's xorshift64: cheap, and the seed is never zero.
struct Garbage {
    uint64_t state;
    uint64_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
    }
};

struct File {
    std::FILE* handle;
    File(const char* name, const char* mode) : handle(std::fopen(name, mode)) {}
    ~File() {
        if (handle) std::fclose(handle);
    }
    bool read(std::vector<uint64_t>& to) {
        return handle && std::fread(to.data(), 8, to.size(), handle) == to.size();
    }
    bool write(const std::vector<uint64_t>& from) {
        return handle && std::fwrite(from.data(), 8, from.size(), handle) == from.size();
    }
};

// Binding says how the ports of a model are set and read:
//   Model, in_words, out_words, masks[], drive(model, words), sample(model, words)
template <class Binding>
struct Bench {
    using Model = typename Binding::Model;
    Model& model;
    Garbage garbage;
    std::vector<uint64_t> noise = std::vector<uint64_t>(Binding::in_words + 1);

    void drive_garbage() {
        for (int i = 0; i < Binding::in_words; ++i) noise[i] = garbage.next() & Binding::masks[i];
        Binding::drive(model, noise.data());
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
        for (int i = 0; i < kResetCycles; ++i) {
            model.rst = 1;
            model.valid_in = i & 1;
            drive_garbage();
            settle();
            edge();
        }
        model.rst = 0;
        model.valid_in = 0;
    }
};

template <class Binding>
int simulate(const char* stimulus, const char* response) {
    std::vector<uint64_t> head(4);
    File in(stimulus, "rb");
    if (!in.read(head)) return 3;
    const uint64_t samples = head[0], drain = head[1], max_latency = head[2], seed = head[3];
    std::vector<uint64_t> words(samples * Binding::in_words), gaps(samples);
    if (!in.read(words) || !in.read(gaps)) return 3;

    VerilatedContext context;
    context.randReset(2);  // registers start with random values: a missing reset shows
    context.randSeed(static_cast<int>(seed | 1));
    Verilated::threadContextp(&context);  // what shared modules take, which are models themselves
    typename Binding::Model model{&context, "harness"};
    Bench<Binding> bench{model, {seed | 1}};
    bench.reset();

    std::vector<uint64_t> seen, seen_at, accepted_at, one(Binding::out_words + 1);
    uint64_t next = 0, gap = samples ? gaps[0] : 0, cycle = 0, quiet = 0;
    for (;; ++cycle, ++quiet) {
        const bool present = next < samples && gap == 0;
        model.valid_in = present;
        if (present) {
            Binding::drive(model, words.data() + next * Binding::in_words);
            accepted_at.push_back(cycle);
            if (++next < samples) gap = gaps[next];
            quiet = 0;
        } else {
            bench.drive_garbage();
            if (next < samples) --gap;
        }
        bench.settle();
        if (model.valid_out & 1) {
            Binding::sample(model, one.data());
            seen.insert(seen.end(), one.begin(), one.end() - 1);
            seen_at.push_back(cycle);
            quiet = 0;
        }
        bench.edge();
        if (seen_at.size() > samples + kSpuriousKept) break;
        if (next < samples) continue;
        if (quiet >= (seen_at.size() >= samples ? drain : max_latency)) break;
    }
    model.final();

    File out(response, "wb");
    const std::vector<uint64_t> sizes{seen_at.size(), accepted_at.size(), cycle + 1};
    return out.write(sizes) && out.write(seen) && out.write(seen_at) && out.write(accepted_at) ? 0 : 4;
}

}  // namespace gatewright

#endif
