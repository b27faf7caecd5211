"""A stand-in for a mail server: accepts mail over SMTP, delivers none, and shows it in an inbox.

Run it with `python -m sandbox.mail`; point `SMTP_HOST` and `SMTP_PORT` at it.

Its faults (`/_sandbox/faults`) match one step of the conversation:

    MAIL bookings@example.test      the sender's address
    RCPT *@example.test             a recipient's address
    DATA Booking Confirmed - *      the message, by its subject

Their `status` is the reply code, 451 by default. `error_after` keeps the message and then answers with an
error, so the sender cannot know that it was accepted.
"""
