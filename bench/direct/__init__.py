"""The direct design: the older system's flow without a workflow engine, for comparison.

A request handler locks the row, calls Stripe inside the transaction, commits, then sends notifications. It keeps the
older system's protections: an idempotency key per session and decision, a table of processed webhook events, and a
decision timestamp that prevents a second decision.
"""
