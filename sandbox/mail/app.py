"""The HTTP side: the inbox pages for people, the control paths for tests."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sandbox.faults import Faults, faults_router
from sandbox.mail.catcher import MailCatcher, SmtpLogin, listen
from sandbox.mail.inbox import InboxMessage, MailInbox

SHOWN_MESSAGES = 200
TEMPLATES = Path(__file__).parent / "templates"
# A mail is foreign content: no scripts, no remote resources, and its links open in a new tab.
HTML_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; "
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"
)


def create_app(smtp_socket: socket.socket, inbox: MailInbox, login: SmtpLogin | None) -> FastAPI:
    """Assemble the stand-in; the SMTP side runs as long as the app does.

    Args:
        smtp_socket: listens for SMTP.
        inbox: the store of messages; closed when the app shuts down.
        login: the account that may send; None allows all senders.
    """
    faults = Faults()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server = await listen(smtp_socket, MailCatcher(inbox, faults), login)
        yield
        server.close()
        inbox.close()

    app = FastAPI(title="Mail catcher", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.include_router(_pages_router(inbox))
    app.include_router(_control_router(inbox))
    app.include_router(faults_router(faults))
    return app


def _found(inbox: MailInbox, mail_id: int) -> InboxMessage:
    mail = inbox.get(mail_id)
    if mail is None:
        raise HTTPException(404, "There is no such message, or it has been deleted.")
    return mail


def _pages_router(inbox: MailInbox) -> APIRouter:
    router = APIRouter()
    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    @router.get("/", response_class=HTMLResponse)
    async def index() -> str:
        mails = inbox.newest(SHOWN_MESSAGES)
        return pages.get_template("inbox.html").render(mails=mails, count=inbox.count())

    @router.get("/messages/{mail_id}", response_class=HTMLResponse)
    async def message(mail_id: int) -> str:
        mail = _found(inbox, mail_id)
        return pages.get_template("message.html").render(mail=mail, content=mail.content())

    @router.get("/messages/{mail_id}/html")
    async def html(mail_id: int) -> HTMLResponse:
        content = _found(inbox, mail_id).content().html
        if content is None:
            raise HTTPException(404, "The message has no HTML part.")
        return HTMLResponse(_links_in_new_tabs(content), headers={"Content-Security-Policy": HTML_POLICY})

    @router.get("/messages/{mail_id}/attachments/{index}")
    async def attachment(mail_id: int, index: int) -> Response:
        attachments = _found(inbox, mail_id).content().attachments
        if not 0 <= index < len(attachments):
            raise HTTPException(404, "The message has no such attachment.")
        found = attachments[index]
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.filename, safe='')}",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found.content, media_type=found.content_type, headers=headers)

    return router


def _links_in_new_tabs(html: str) -> str:
    """Make links open outside the frame that shows the message: most sites refuse to be framed."""
    base = '<base target="_blank">'
    with_base, heads = re.subn(
        r"<head\b[^>]*>", lambda head: head[0] + base, html, count=1, flags=re.IGNORECASE
    )
    return with_base if heads else base + html


def _control_router(inbox: MailInbox) -> APIRouter:
    router = APIRouter(prefix="/_sandbox/messages")

    @router.get("")
    async def messages(
        to: str | None = None,
        subject: str | None = None,
        booking_id: str | None = None,
        contents: bool = True,
    ) -> list[dict[str, Any]]:
        """List messages; a caller that only counts them leaves their contents out."""
        found = inbox.find(to=to, subject=subject, booking_id=booking_id)
        return [{**_envelope(mail), **(_contents(mail) if contents else {})} for mail in found]

    @router.delete("", status_code=204)
    async def clear() -> None:
        inbox.clear()

    return router


def _envelope(mail: InboxMessage) -> dict[str, Any]:
    return {
        "id": mail.id,
        "at": mail.at,
        "from": mail.sender,
        "to": list(mail.recipients),
        "subject": mail.subject,
        "message_id": mail.message_id,
    }


def _contents(mail: InboxMessage) -> dict[str, Any]:
    content = mail.content()
    attachments = [
        {"filename": attachment.filename, "content_type": attachment.content_type, "text": attachment.text}
        for attachment in content.attachments
    ]
    return {
        "text": content.text,
        "html": content.html,
        "attachments": attachments,
        "headers": content.headers,
    }
