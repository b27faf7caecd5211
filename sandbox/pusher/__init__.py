"""A stand-in for Pusher Channels: its HTTP API, its WebSocket protocol, and a record of every message.

Run it with `python -m sandbox.pusher`; point `PUSHER_HOST`, `PUSHER_PORT` and `PUSHER_SSL=false` at it.
It has no presence channels, client events or webhooks, because the product uses none.
"""
