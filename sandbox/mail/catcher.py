"""The SMTP side: accepts every message, unless a fault applies."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.faults import CANARY, REQUEST_FAULTS, Fault, FaultKind, Faults
from sandbox.mail.inbox import MailInbox
from sandbox.mail.parsing import read_headers, sender_problem

MAX_MESSAGE_BYTES = 10 * 1024 * 1024
DEFAULT_FAULT_REPLY = 451
_AFTER_THE_EFFECT = {FaultKind.ERROR_AFTER, FaultKind.HANG_AFTER, FaultKind.DROP_AFTER}


@dataclass(frozen=True)
class SmtpLogin:
    """The one account that may send."""

    username: str
    password: str

    def __call__(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and all(
            hmac.compare_digest(given, expected.encode())
            for given, expected in ((data.login, self.username), (data.password, self.password))
        )
        return AuthResult(success=known, handled=False)


class MailCatcher:
    """`aiosmtpd`'s handler for each step of a conversation.

    Args:
        inbox: the store of messages.
        faults: the active faults.
    """

    def __init__(self, inbox: MailInbox, faults: Faults) -> None:
        self._inbox = inbox
        self._faults = faults

    async def handle_MAIL(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        def accept() -> str:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
            return "250 OK"

        return await self._step(f"MAIL {address}", server, accept)

    async def handle_RCPT(
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        def accept() -> str:
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
            return "250 OK"

        return await self._step(f"RCPT {address}", server, accept)

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""

        def accept() -> str:
            self._inbox.add(envelope.mail_from or "", envelope.rcpt_tos, raw)
            return "250 OK: kept, not delivered"

        if problem := sender_problem(raw):
            return f"550 5.6.0 {problem}"
        headers = {name.lower(): value for name, value in read_headers(raw).items()}
        return await self._step(f"DATA {headers.get('subject', '')}", server, accept)

    async def _step(self, subject: str, server: SMTP, accept: Callable[[], str]) -> str:
        """Answer one step; applies a fault if one matches."""
        fault = self._faults.take(subject, REQUEST_FAULTS)
        if fault is None:
            return accept()
        await asyncio.sleep(fault.wait_s())
        if fault.kind is FaultKind.DELAY:
            return accept()
        if fault.kind in _AFTER_THE_EFFECT:
            accept()
        if fault.kind in {FaultKind.ERROR_BEFORE, FaultKind.ERROR_AFTER}:
            return _reply(fault)
        if fault.kind in {FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER}:
            # aiosmtpd's type is the plain transport; a server's transport can be aborted.
            cast("asyncio.Transport", server.transport).abort()
        # The end of the connection cancels this wait, by the client's timeout or by the cut above.
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never


def _reply(fault: Fault) -> str:
    status = fault.status if "status" in fault.model_fields_set else DEFAULT_FAULT_REPLY
    text = " ".join((fault.message or fault.code or "Asked for by a fault").split())
    return f"{status} {text} <{CANARY}>"


async def listen(sock: socket.socket, catcher: MailCatcher, login: SmtpLogin | None) -> asyncio.Server:
    """Start to accept mail.

    Args:
        sock: a listening socket.
        catcher: the handler.
        login: the account that may send; None allows all senders.
    """

    def conversation() -> SMTP:
        with warnings.catch_warnings():
            # Log-in without TLS is safe here: this is the loopback interface.
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(
                catcher,
                data_size_limit=MAX_MESSAGE_BYTES,
                enable_SMTPUTF8=True,
                hostname="localhost",
                auth_required=login is not None,
                auth_require_tls=login is None,
                authenticator=login,
                loop=asyncio.get_running_loop(),
            )

    logging.getLogger("mail.log").setLevel(logging.ERROR)  # The same warning, once per conversation.
    return await asyncio.get_running_loop().create_server(conversation, sock=sock)
