"""Floor 8: outside programs. Verilator and Icarus simulate, Yosys synthesises."""
