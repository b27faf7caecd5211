"""A stand-in for Stripe: Checkout, manual capture, refunds, events and signed webhooks, on one machine.

Run it with `python -m sandbox.stripe`; point `STRIPE_API_BASE` at it. The official SDK supplies the parameters and
the shapes of Stripe's objects. `control.py` is the control API for tests and demos.
"""
