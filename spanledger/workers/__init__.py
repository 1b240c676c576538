"""Several processes on one machine: they share the ports, and each has its own log, mapping and writers.

The supervisor starts them, starts them again when they die, tells their health in one place and ends them together.
Nothing that was accepted passes through it.
"""
