"""Activities: the workflows' calls to Stripe, PostgreSQL, Pusher and e-mail, one class each."""
