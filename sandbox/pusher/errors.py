"""The one error of the HTTP API: a status and a line of text, which is how Pusher answers."""

from __future__ import annotations


class RefusedRequestError(Exception):
    """A refused request.

    Args:
        status: the HTTP status to answer with.
        reason: the text of the response.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
