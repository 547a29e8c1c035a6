"""Sweeps: every combination of a grid and seeds, on cores, a cluster or a device, and the tables of them all."""
