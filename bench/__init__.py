"""What the product costs, measured side by side in one run: `python -m bench --help`.

Everything is seen from outside: over HTTP, the database, and the operating system's own counters.
"""
