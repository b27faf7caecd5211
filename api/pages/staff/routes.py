"""The console's reading pages: the queue, a booking, bookings that need attention."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Query
from fastapi.responses import Response

from api.auth import BookingId
from api.outages import reading
from api.pages.site import ThisPage
from api.pages.staff import arrivals as staff_arrivals
from api.pages.staff import blocks as staff_blocks
from api.pages.staff import books as staff_books
from api.pages.staff import decide as staff_decide
from api.pages.staff import links as staff_links
from api.pages.staff import log_in as staff_log_in
from api.pages.staff import own_account as staff_own_account
from api.pages.staff import people as staff_people
from api.pages.staff import policy as staff_policy
from api.pages.staff import rooms as staff_rooms
from api.pages.staff import second_factor as staff_second_factor
from api.pages.staff.booking import attention, staff_booking_view
from api.pages.staff.calendar import calendar_address, read_day
from api.pages.staff.console import HOME, AtConsole, Console, staff_router
from api.pages.staff.outcome import outcome_notice
from api.pages.staff.queue import TABS, BookingListRequest, ListAddress, listing
from api.views import BookingDetails
from domain.booking import Decision
from domain.identifiers import booking_channel, payment_in_dashboard, workflow_in_ui
from domain.roles import may_decide
from domain.room_types import CODE_LONGEST
from models import utc_now
from storage.attention import attention_of_all
from storage.booking_list import ClaimedNight, Sort, pending_decisions
from storage.console import needing_attention
from storage.waiting import next_request
from wording.values import count_in_words, short_day, short_stay

router = staff_router()

_ATTENTION_LIMIT: Final = 100
_OF_REQUESTS: Final = frozenset({Decision.APPROVE, Decision.DECLINE})

CellRoom = Annotated[str, Query(max_length=CODE_LONGEST, pattern=r"^[a-z0-9-]*$")]


@router.get("")
async def without_slash(page: ThisPage) -> Response:
    """Redirect to the address with its slash."""
    return page.redirect(HOME)


@router.get("/")
async def queue(
    console: AtConsole,
    address: Annotated[ListAddress, Depends()],
    room: CellRoom = "",
    night: str = "",
) -> Response:
    """Requests by deadline or risk, or other bookings by age; or the bookings of a night in the calendar."""
    now = utc_now()
    day = read_day(night)
    claimed = ClaimedNight(room, day) if room and day else None
    decides = may_decide(console.colleague.role)
    list_request = BookingListRequest.read(address, claimed, decides=decides)
    async with reading(console.services.database) as db:
        found = await listing(db, console.hotel, list_request, now, decides=decides)
        frame = await console.frame(db)
    return await console.show(
        "queue.html",
        frame=frame,
        list_request=list_request,
        tabs=TABS.values(),
        listing=found,
        decides_here=decides,
        orders=((Sort.DEADLINE, "time left"), (Sort.RISK, "risk level")),
        count_in_words=count_in_words,
        short_day=short_day,
        calendar_address=calendar_address,
    )


@router.get("/bookings/{booking_id}/")
async def booking(
    console: AtConsole,
    booking_id: BookingId,
    decision: str = "",
    refusal: str = "",
    operator_outcome: str = "",
) -> Response:
    """Show one booking. Opening it decides nothing, with any address."""
    found = await console.find(booking_id)
    now = utc_now()
    async with reading(console.services.database) as db:
        shown = await staff_booking_view(db, found, console.colleague, now)
        frame = await console.frame(db)
        after_decision = decision in _OF_REQUESTS
        following = await next_request(db, console.hotel_id, booking_id) if after_decision else None
    return await console.show(
        "booking.html",
        frame=frame,
        booking=shown,
        notice=outcome_notice(
            found, shown, console.me, decision=decision, refusal=refusal, operator_outcome=operator_outcome
        ),
        payment_address=_payment_address(console, found),
        workflow_address=_workflow_address(console, booking_id) if shown.may.manage else None,
        channel=booking_channel(booking_id),
        after_decision=after_decision,
        next=following,
        next_stay=short_stay(following.check_in, following.check_out) if following else "",
    )


def _payment_address(console: Console, found: BookingDetails) -> str | None:
    intent = found.booking.payment_intent_id
    return payment_in_dashboard(intent, livemode=console.services.stripe_livemode) if intent else None


def _workflow_address(console: Console, booking_id: str) -> str | None:
    ui = console.services.temporal_ui_url
    return workflow_in_ui(ui, console.services.temporal.namespace, booking_id) if ui else None


@router.get("/attention/")
async def attention_list(console: AtConsole) -> Response:
    """List the bookings that need attention."""
    now = utc_now()
    async with reading(console.services.database) as db:
        rows = await needing_attention(db, console.hotel_id, _ATTENTION_LIMIT)
        reasons = await attention_of_all(db, [row for row, _ in rows])
        pending = await pending_decisions(db, [row.booking_id for row, _ in rows])
        frame = await console.frame(db)
    items = [
        {
            "booking_id": row.booking_id,
            "guest": f"{row.guest_first_name} {row.guest_last_name}",
            "stay": short_stay(row.check_in, row.check_out),
            "room": room.name,
            "reasons": attention(reasons[row.booking_id], row, _decision(pending.get(row.booking_id)), now),
        }
        for row, room in rows
    ]
    return await console.show("attention.html", frame=frame, items=items)


def _decision(kind: str | None) -> Decision | None:
    return Decision(kind) if kind else None


ROUTERS: Final = (
    staff_log_in.router,
    staff_links.router,
    router,
    staff_decide.router,
    staff_books.router,
    staff_blocks.router,
    staff_arrivals.router,
    staff_rooms.router,
    staff_policy.router,
    staff_people.router,
    staff_own_account.router,
    staff_second_factor.router,
)
"""Every router of the console."""
