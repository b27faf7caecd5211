"""Stand-ins for what needs an account (Stripe, Pusher, a mail server) and the command that starts everything."""
