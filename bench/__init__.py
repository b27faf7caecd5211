"""Benchmarks of the product and of two references, in one run: `python -m bench --help`.

All measurements are external: HTTP, the database, and the operating system's counters.
"""
