"""Implementations are run, certified, and what becomes of it is said."""
