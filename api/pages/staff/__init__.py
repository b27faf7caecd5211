"""The staff console: log-in, the queue, one booking and the decisions on it, figures, accounts and policy."""
