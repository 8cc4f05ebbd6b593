"""Trace files: a recorded pass as JSON and safetensors (docs/trace-files.md)."""
