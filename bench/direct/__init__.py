"""What a team would write instead: the flow of the older system done straight, without an engine.

A request handler locks the row, calls Stripe inside the transaction, commits, then tells people. It keeps the
older system's protections: an idempotency key per session and decision, a table of webhook events that were seen, a
decision's time against deciding twice.
"""
