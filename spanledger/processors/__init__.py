"""Processors: what changes, drops or hides telemetry before it is kept.

They work on OTLP messages, so that what they leave is what the log holds, what the mapping reads and what an OTLP
exporter passes on: a value that a processor redacted is never on a disk.
"""
