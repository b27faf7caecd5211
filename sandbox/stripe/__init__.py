"""A stand-in for Stripe: Checkout, manual capture, refunds, events and signed webhooks, on one machine.

Run it with `python -m sandbox.stripe`; point `STRIPE_API_BASE` at it. What it knows of Stripe's parameters and
of the shape of Stripe's objects is read from the official SDK. `control.py` lists what a test or a demo may ask
of it beyond Stripe's own API.
"""
