"""E-mails: their texts, their format, and the hand-over to the mail server."""
