"""What people read: amounts, times, statuses and events in words. E-mails, pages and the console share them."""
