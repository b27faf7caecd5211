"""Fault runs: bookings of every kind on a real stack, while its parts are killed, paused and given false answers."""
