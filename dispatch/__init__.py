"""Calls from outside to workflows: the names they answer to, and how a message reaches them."""
