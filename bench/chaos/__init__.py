"""Fault runs: bookings of every kind on the real stack, while its parts are killed, frozen and lied to."""
