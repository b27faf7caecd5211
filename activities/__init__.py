"""What the workflows have done for them: Stripe, PostgreSQL, Pusher and e-mail, one class each."""
