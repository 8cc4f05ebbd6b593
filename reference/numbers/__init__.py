"""The kinds of numbers over which the same ops run: floats, Arb, `Ball`, `Dual`, `Terms`."""
