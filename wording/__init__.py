"""Amounts, times, statuses and events in words, shared by e-mails, pages and the staff console."""
