"""The hosted payment page, its 3-D Secure step, and the ledger's page. Plain HTML forms, no script.

`curl -d card_number=4242424242424242 SESSION_URL` pays too. `hold_seconds` on the form is the stand-in's own: the
duration of the hold.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.stripe.cards import CARDS, Card
from sandbox.stripe.checkout import authenticate, pay, session_intent
from sandbox.stripe.events import Origin
from sandbox.stripe.ids import new_id
from sandbox.stripe.lapses import sweep
from sandbox.stripe.ledger import ledger
from sandbox.stripe.money import shown
from sandbox.stripe.shapes import PRIVATE, Obj
from sandbox.stripe.state import Sandbox

_PATH: Final = re.compile("/c/pay/([A-Za-z0-9_]+)(/authenticate)?")
_EXPIRY: Final = re.compile(r"\s*(0[1-9]|1[0-2])\s*/\s*(?:20)?(\d\d)\s*")
_LONGEST_HOLD_S: Final = 31 * 86_400
_LEDGER_ROWS: Final = 100


class Pages:
    """Renders the pages and handles their forms; an ASGI application for `/c/`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
        )
        self._templates.filters["money"] = shown
        self._templates.filters["moment"] = lambda at_s: time.strftime(
            "%Y-%m-%d %H:%M:%S UTC", time.gmtime(at_s)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request for a page or from its form."""
        request = Request(scope, receive)
        body = await request.body()
        match = _PATH.fullmatch(scope["path"])
        session = self._session(match[1]) if match else None
        if match is None or session is None:
            response: Response = PlainTextResponse("There is no such Checkout session.", 404)
        elif request.method == "POST":
            form = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
            response = await (self._answer(session, form) if match[2] else self._pay(session, form))
        elif match[2] and not self._is_challenged(session):
            response = RedirectResponse(scope["path"].removesuffix(match[2]), 303)
        elif match[2]:
            response = self._page("authenticate.html", 200, session=session)
        else:
            response = self._checkout_page(session, None, 200)
        await response(scope, receive, send)

    async def _pay(self, session: Obj, form: dict[str, str]) -> Response:
        """Pay, then redirect to the merchant or to the 3-D Secure step, or show the page with the problem."""
        if session["status"] != "open":
            return self._checkout_page(session, None, 410 if session["status"] == "expired" else 409)
        card = CARDS.get(re.sub(r"[ -]", "", form.get("card_number", "")))
        problem = _problem(card, form)
        if problem or card is None:
            return self._checkout_page(session, problem, 400)
        hold = form.get("hold_seconds")
        with self._sandbox.change(Origin(new_id("req"))) as change:
            problem = pay(change, session, card, int(hold) if hold else None)
        if problem:
            return self._checkout_page(session, problem, 402)
        if session["status"] == "open":
            return RedirectResponse(f"/c/pay/{session['id']}/authenticate", 303)
        return await self._back_to_merchant(session, change.event_ids[-1])

    async def _answer(self, session: Obj, form: dict[str, str]) -> Response:
        """End the 3-D Secure step: `result` is `complete` or `fail`."""
        if not self._is_challenged(session):
            return self._checkout_page(session, "No authentication is due.", 409)
        result = form.get("result")
        if result not in {"complete", "fail"}:
            return PlainTextResponse("result must be complete or fail", 400)
        with self._sandbox.change(Origin(new_id("req"))) as change:
            intent = session_intent(change, session)
            assert intent is not None
            number = next(n for n in CARDS if n.endswith(intent[PRIVATE]["card"]))
            problem = authenticate(change, session, CARDS[number], passed=result == "complete")
        if problem:
            return self._checkout_page(session, problem, 402)
        return await self._back_to_merchant(session, change.event_ids[-1])

    async def overview(self) -> Response:
        """Show the ledger."""
        sweep(self._sandbox)
        return self._page("ledger.html", 200, **ledger(self._sandbox.store, limit=_LEDGER_ROWS))

    def _session(self, session_id: str) -> Obj | None:
        sweep(self._sandbox)
        return self._sandbox.store.find("checkout.session", session_id)

    def _is_challenged(self, session: Obj) -> bool:
        intent_id = session.get("payment_intent")
        if session["status"] != "open" or not intent_id:
            return False
        return bool(self._sandbox.store.get("payment_intent", intent_id)["status"] == "requires_action")

    async def _back_to_merchant(self, session: Obj, completed_event_id: str) -> Response:
        # Checkout waits up to ten seconds for the merchant's webhook before it redirects the guest.
        await self._sandbox.deliverer.first_attempt(completed_event_id)
        url = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        return RedirectResponse(url, 303)

    def _checkout_page(self, session: Obj, problem: str | None, status: int) -> Response:
        return self._page(
            "checkout.html",
            status,
            session=session,
            items=session[PRIVATE]["line_items"],
            cards=CARDS.values(),
            problem=problem,
            cancel_url=session.get("cancel_url"),
        )

    def _page(self, name: str, status: int, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(values), status)


def _problem(card: Card | None, form: dict[str, str]) -> str | None:
    if card is None:
        return "Your card number is not one of the test cards below."
    match = _EXPIRY.fullmatch(form.get("expiry", "12/34"))
    now = time.gmtime()
    if match is None or (2000 + int(match[2]), int(match[1])) < (now.tm_year, now.tm_mon):
        return "Your card's expiry date is incomplete or in the past."
    if not re.fullmatch("[0-9]{3,4}", form.get("cvc", "123")):
        return "Your card's security code is incomplete."
    hold = form.get("hold_seconds", "")
    if hold and not (re.fullmatch("[0-9]{1,9}", hold) and 1 <= int(hold) <= _LONGEST_HOLD_S):
        return f"hold_seconds must be a number between 1 and {_LONGEST_HOLD_S}."
    return None
