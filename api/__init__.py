"""HTTP: routes for guests, staff and Stripe. They read rows, signal workflows, and wait for outcomes."""
