"""A guest's booking: its state, paying, cancelling. The page updates itself."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import JSONResponse, Response
from markupsafe import Markup
from pydantic import ValidationError

from api import creation
from api.auth import BookingId, is_plain
from api.decisions import DecisionInput, decide
from api.errors import ProblemError
from api.guest import ask_stripe, open_payment_page
from api.limits import Client
from api.outages import reading
from api.pages.guest.access import booking_path, guests_booking, let_back_in, let_in, locked, opens
from api.pages.guest.words import cost_of_cancelling, may_cancel, page_context
from api.pages.routing import page_router, show_problem
from api.pages.site import Page, ThisPage
from api.schemas import ChannelIn, SessionIn
from api.services import Api, Services
from api.views import BookingDetails, show
from domain.booking import Decision, Status
from domain.identifiers import booking_channel
from models import utc_now
from storage.attention import as_attention, attention_of
from storage.bookings import owns_session
from storage.console import is_cancellation_overtaken, open_decision
from wording.attention import owes_other_refund

router = page_router()

_DIGEST_LENGTH: Final = 16

SessionId = Annotated[str, Query(max_length=255)]


@router.get("/bookings/{booking_id}")
async def without_slash(page: ThisPage, booking_id: BookingId) -> Response:
    """Redirect to the address with its slash."""
    if not is_plain(booking_id):
        raise locked()
    return page.redirect(booking_path(booking_id))


@router.get("/bookings/{booking_id}/")
async def status_page(
    page: ThisPage,
    services: Api,
    booking_id: BookingId,
    token: Annotated[str, Query(max_length=255)] = "",
    code: Annotated[str, Query(max_length=255)] = "",
    session_id: SessionId = "",
) -> Response:
    """The booking's state.

    The e-mails' link, with its token, redirects to the address without one; so does the payment page's code. A guest
    who returns from the payment page has the payment read at once; the webhook may be late.
    """
    if token:
        if not opens(services, booking_id, token):
            raise locked()
        return let_in(page, services, booking_id, session_id)
    if code:
        return await let_back_in(page, services, booking_id, code, session_id)
    found = await guests_booking(page, services, booking_id)
    if session_id:
        if await _refreshed_from_stripe(services, found, session_id):
            return page.redirect(booking_path(booking_id))
        found = await guests_booking(page, services, booking_id)
    part = await _part(page, services, found, session_id)
    return page.show("guest/booking.html", hotel=found.hotel, booking_id=booking_id, part=part[0])


@router.get("/bookings/{booking_id}/part/")
async def part_of_page(
    page: ThisPage,
    services: Api,
    booking_id: BookingId,
    seen: Annotated[str, Query(max_length=64)] = "",
    session_id: SessionId = "",
) -> Response:
    """The part of the page that may change; 204 if the guest has `seen` its present state."""
    found = await guests_booking(page, services, booking_id)
    if session_id and await _refreshed_from_stripe(services, found, session_id):
        found, session_id = await guests_booking(page, services, booking_id), ""
    html, digest = await _part(page, services, found, session_id)
    if digest == seen:
        return page.nothing_new()
    return page.send(html)


@router.post("/bookings/{booking_id}/submit/")
async def submit(page: ThisPage, services: Api, client: Client, booking_id: BookingId) -> Response:
    """Send a draft to the hotel."""
    found = await guests_booking(page, services, booking_id)
    await page.form()
    try:
        await creation.submit(services, found, client)
    except ProblemError as problem:
        return show_problem(page, problem, back=booking_path(booking_id))
    return page.redirect(booking_path(booking_id))


@router.post("/bookings/{booking_id}/pay/")
async def pay(page: ThisPage, services: Api, booking_id: BookingId) -> Response:
    """Open the payment page, or return to the open one.

    A page of ours redirects there: browsers apply the policy for forms to redirects, too, and Stripe chooses the
    payment page's origin.
    """
    found = await guests_booking(page, services, booking_id)
    await page.form()
    try:
        session = await open_payment_page(services, found, SessionIn())
    except ProblemError as problem:
        if problem.status == 409:
            if problem.members["booking"]["status"] == Status.PENDING_PAYMENT:
                return show_problem(page, problem, "The time to pay is almost over", booking_path(booking_id))
            # It has been paid or has ended meanwhile: its page shows the new status.
            return page.redirect(booking_path(booking_id))
        return show_problem(page, problem, back=booking_path(booking_id))
    return page.show("guest/to_payment.html", url=session.payment_url, hotel=found.hotel)


@router.get("/bookings/{booking_id}/cancel/")
async def ask_to_cancel(page: ThisPage, services: Api, booking_id: BookingId) -> Response:
    """Show the cost of cancelling, and the button to cancel."""
    found = await guests_booking(page, services, booking_id)
    return await _confirm_cancelling(page, services, found)


@router.post("/bookings/{booking_id}/cancel/")
async def cancel(page: ThisPage, services: Api, booking_id: BookingId) -> Response:
    """Cancel if the cost is still the one shown to the guest; otherwise show the new one."""
    found = await guests_booking(page, services, booking_id)
    fields = await page.form()
    back = booking_path(booking_id)
    if not may_cancel(found, utc_now()):
        return page.redirect(back)
    if fields.get("refund") != _shown_refund(found):
        return await _confirm_cancelling(page, services, found, changed=True)
    try:
        await decide(services, found, DecisionInput(Decision.CANCEL))
    except ProblemError as problem:
        title = "Your booking could not be cancelled" if problem.status == 409 else None
        return show_problem(page, problem, title, back)
    return page.redirect(back)


@router.post("/bookings/{booking_id}/realtime/")
async def listen(page: ThisPage, services: Api, booking_id: BookingId) -> Response:
    """Let the page listen to its booking: https://pusher.com/docs/channels/server_api/authorizing-users."""
    await guests_booking(page, services, booking_id)
    try:
        wanted = ChannelIn.model_validate(dict(await page.form()))
    except ValidationError:
        raise _not_this_channel() from None
    if wanted.channel_name != booking_channel(booking_id):
        raise _not_this_channel()
    return JSONResponse(services.pusher.authenticate(wanted.channel_name, wanted.socket_id))


def _not_this_channel() -> ProblemError:
    return ProblemError(403, "forbidden", "This page may listen to its own booking only.")


async def _refreshed_from_stripe(services: Services, found: BookingDetails, session_id: str) -> bool:
    """Read the payment of a guest who returns from its page; False if Stripe cannot be asked now."""
    booking_id = found.booking.booking_id
    if not is_plain(session_id):
        return True
    async with reading(services.database) as db:
        if not await owns_session(db, booking_id, session_id):
            return True
    with suppress(ProblemError):
        await ask_stripe(services, found)
        return True
    return False


async def _part(page: Page, services: Services, found: BookingDetails, session_id: str) -> tuple[Markup, str]:
    """Render the part of the page that changes, with a digest of its content.

    Args:
        session_id: the payment page the guest returned from, while Stripe could not be asked.
    """
    view = show(found)
    async with reading(services.database) as db:
        open_request = await open_decision(db, found.booking.booking_id)
        is_confirmed = view.status == Status.CONFIRMED
        reasons = [as_attention(row) for row in await attention_of(db, found.booking)]
        overtaken = is_confirmed and await is_cancellation_overtaken(db, found.booking.booking_id)
    more = {
        "checking": bool(session_id),
        "overtaken": overtaken,
        "owes_other_refund": owes_other_refund(found.booking, reasons),
    }
    words: dict[str, Any] = page_context(found, view, open_request, utc_now()) | more
    inside = page.render(f"guest/{words['display'].template}.html", **words)
    digest = hashlib.sha256(inside.encode()).hexdigest()[:_DIGEST_LENGTH]
    html = page.render("guest/_part.html", inside=inside, seen=digest, session_id=session_id, **words)
    return html, digest


async def _confirm_cancelling(
    page: Page, services: Services, found: BookingDetails, *, changed: bool = False
) -> Response:
    if not may_cancel(found, utc_now()):
        return page.redirect(booking_path(found.booking.booking_id))
    async with reading(services.database) as db:
        open_request = await open_decision(db, found.booking.booking_id)
    return page.show(
        "guest/cancel.html",
        409 if changed else 200,
        cost=cost_of_cancelling(found, utc_now()),
        refund=_shown_refund(found),
        changed=changed,
        **page_context(found, show(found), open_request, utc_now()),
    )


def _shown_refund(found: BookingDetails) -> str:
    """The refund shown to the guest, in the form's notation."""
    refund = cost_of_cancelling(found, utc_now()).refund_minor
    # Releasing the hold returns no money: that promise differs from a refund of zero.
    return "none" if refund is None else str(refund)
