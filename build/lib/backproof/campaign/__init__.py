"""Random networks: grown, certified, and what is found kept."""
