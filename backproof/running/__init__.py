"""Runs implementations, certifies them, and reports the verdicts."""
