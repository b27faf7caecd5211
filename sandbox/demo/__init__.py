"""`python -m sandbox.demo`: seven bookings on a separate stack, each with another outcome; then a check."""
