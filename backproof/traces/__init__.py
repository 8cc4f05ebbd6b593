"""Trace files: a recorded pass as a folder of JSON and safetensors (docs/trace-files.md)."""
