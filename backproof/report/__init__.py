"""The results of a run, for people (tables, pages) and for machines (JSON)."""
