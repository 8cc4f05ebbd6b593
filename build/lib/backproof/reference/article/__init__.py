"""The article: its figures as data, their golden values, and the audit."""
