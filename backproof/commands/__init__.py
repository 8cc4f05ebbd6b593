"""The commands of `backproof`: one file each, whose `run` returns the exit status."""
