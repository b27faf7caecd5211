"""The rules of a booking. Imports the standard library only: it runs inside Temporal's workflow sandbox."""
