"""What is certified: ops, networks, variants, derivatives, trainings."""
