"""Calls to workflows from outside: the names of signals, updates and queries, and the code that sends them."""
