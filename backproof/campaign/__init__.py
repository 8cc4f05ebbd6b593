"""Random networks: drawn, certified, reduced to one op, kept."""
