"""The field's words, for the colleague who works on something else."""

GLOSSARY: tuple[tuple[str, str], ...] = (
    ("II", "Initiation interval: cycles between an input and the next; 1: one every cycle."),
    ("Latency", "Cycles from an input to its answer. In ns it holds if the clock is met."),
    ("LUT", "Look-up table, the cell that FPGA logic is made of; here every site in use, as logic, "
     "memory or shift register."),
    ("FF", "Flip-flop: one bit of register."),
    ("DSP", "Block with a hardware multiplier and accumulator."),
    ("BRAM", "Block of 36 kbit of memory; half blocks count 0.5."),
    ("fixed<W,I>", "Signed fixed-point number of W bits, I of them (the sign included) before the "
     "binary point; ufixed has no sign."),
    ("Saturate", "Cut a value that does not fit a format to the nearest end of its range."),
    ("Reuse factor", "Cycles over which a multiplier serves several products; 1: fully parallel."),
    ("CMVM", "Constant matrix times vector, built from shifts and adds without multipliers."),
    ("RTL", "Register-transfer level: the Verilog that was emitted."),
    ("Golden vectors", "Inputs stored with their right answers."),
    ("Out of context", "Synthesised alone, without pins, neighbours, placement or routing."),
)  # fmt: skip
"""Term and meaning."""
