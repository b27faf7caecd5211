"""`python -m sandbox.demo`: seven bookings on a stack of its own, each to another end; then a check."""
