"""What a run found, for people (tables, pages) and for machines (JSON)."""
