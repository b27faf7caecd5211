"""The lists of bookings for staff: requests to decide, and all others by status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession

from api.cursors import decode, encode
from api.errors import ProblemError
from api.schemas import composed
from domain.booking import UNDER_DECISION, Decision, Status
from domain.deadlines import nights
from domain.payment_card import PaymentCard
from models import Booking, Hotel, RoomType
from storage.booking_list import (
    BookingFilter,
    ClaimedNight,
    Position,
    Sort,
    list_bookings,
    pending_decisions,
    position,
)
from storage.card_details import cards_of
from storage.rooms import rooms_taken
from storage.waiting import others_waiting
from wording import staff as words
from wording.cards import CardLines, card_lines
from wording.values import (
    count_in_words,
    money_in_words,
    people_in_words,
    short_instant,
    short_stay,
    shortened,
)

PAGE: Final = 25
_LONGEST_SEARCH: Final = 100
_LONGEST_REQUEST: Final = 140


@dataclass(frozen=True)
class Tab:
    """One list.

    Args:
        name: its name in the address.
        statuses: its bookings' statuses; all, if empty.
    """

    name: str
    title: str
    statuses: Sequence[Status]
    sort: Sort = Sort.CREATED


_TABS: Final = (
    Tab("decide", "To decide", (Status.PENDING_APPROVAL,), Sort.DEADLINE),
    Tab("unpaid", "Awaiting payment", (Status.PENDING_PAYMENT,)),
    Tab("confirmed", "Confirmed", (Status.CONFIRMED,)),
    Tab("declined", "Declined", (Status.DECLINED,)),
    Tab("cancelled", "Cancelled", (Status.CANCELLED,)),
    Tab("expired", "Expired", (Status.EXPIRED,)),
    Tab("all", "All", ()),
)
TABS: Final[Mapping[str, Tab]] = MappingProxyType({tab.name: tab for tab in _TABS})
FIRST: Final = _TABS[0]


@dataclass(frozen=True)
class ListAddress:
    """The parameters of a list's address, as they were sent."""

    view: str = ""
    q: str = ""
    sort: str = ""
    cursor: str = ""


@dataclass(frozen=True)
class BookingListRequest:
    """The list requested by the address; invalid parameters are ignored.

    Args:
        sort: the tab's own order, or the order of risk.
        claimed: the calendar's cell whose bookings are listed.
    """

    tab: Tab
    text: str
    after: Position | None
    sort: Sort
    claimed: ClaimedNight | None = None

    @classmethod
    def read(
        cls, address: ListAddress, claimed: ClaimedNight | None = None, *, decides: bool
    ) -> BookingListRequest:
        """Read an address's parameters.

        Args:
            decides: the reader decides, and may sort requests by risk.
        """
        tab = TABS.get(address.view, FIRST)
        sort = Sort.RISK if decides and tab is FIRST and address.sort == Sort.RISK else tab.sort
        words = (letters for letters in composed(address.q).split() if letters.isprintable())
        text = " ".join(words)[:_LONGEST_SEARCH]
        try:
            after = decode(address.cursor, sort) if address.cursor else None
        except ProblemError:
            after = None
        return cls(tab, text, after, sort, claimed)

    def address(self, *, view: str | None = None, cursor: str = "", sort: Sort | None = None) -> str:
        """The address of this list, of another tab with the same search, of another page, or in another order."""
        chosen = view or self.tab.name
        by_risk = chosen == FIRST.name and (sort or self.sort) is Sort.RISK
        given = {
            "view": chosen if chosen != FIRST.name else "",
            "q": self.text,
            "sort": Sort.RISK.value if by_risk else "",
            "cursor": cursor,
        }
        if self.claimed:
            given |= {"room": self.claimed.room_code, "night": self.claimed.night.isoformat()}
        query = urlencode({name: value for name, value in given.items() if value})
        return "/staff/" + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Fullness:
    """The rooms of the type claimed or blocked on the fullest night of a stay, and the rooms in total."""

    taken: int
    rooms: int

    @property
    def is_full(self) -> bool:
        """Whether no room is left."""
        return self.taken >= self.rooms

    @property
    def words(self) -> str:
        """The fullness in words."""
        if self.is_full:
            return f"Full: {self.taken} of {self.rooms} taken"
        return f"{self.taken} of {self.rooms} rooms taken"


@dataclass(frozen=True)
class ListFacts:
    """What is known of the bookings of a list beside their rows, by the booking's id.

    Args:
        taken: rooms taken on the fullest night.
        waiting: other requests that wait for the same nights.
        pending: decisions that have no outcome yet.
        cards: the held cards, for readers who decide.
    """

    taken: Mapping[str, int]
    waiting: Mapping[str, int]
    pending: Mapping[str, str]
    cards: Mapping[str, PaymentCard]


@dataclass(frozen=True)
class BookingLine:
    """One booking of a list.

    Args:
        others: other requests for the same nights, in words; None if there are none.
        requests: the beginning of the guest's special requests; empty or None without any.
        card: the held card of a request that waits, for readers who decide.
    """

    booking_id: str
    guest: str
    stay: str
    nights: str
    room: str
    people: str
    amount: str
    status: Status
    status_words: str
    urgency: words.Urgency | None
    deadline: str | None
    made: str
    under_way: str | None
    fullness: Fullness | None
    others: str | None
    requests: str | None
    needs_attention: bool
    card: CardLines | None


@dataclass(frozen=True)
class Listing:
    """One page of a list, and the cursor of the next."""

    lines: Sequence[BookingLine]
    next_address: str | None


async def listing(
    db: AsyncSession, hotel: Hotel, list_request: BookingListRequest, now: datetime, *, decides: bool
) -> Listing:
    """Read one page of a list.

    Args:
        decides: the reader decides, and is shown the cards that are held.
    """
    assert hotel.id is not None
    filters = BookingFilter(
        statuses=list_request.tab.statuses,
        text=list_request.text or None,
        claimed=list_request.claimed,
        sort=list_request.sort,
        after=list_request.after,
        limit=PAGE + 1,
    )
    rows = await list_bookings(db, hotel.id, filters)
    page, more = rows[:PAGE], len(rows) > PAGE
    open_ids = [booking.booking_id for booking, _ in page if Status(booking.status) in UNDER_DECISION]
    taken = await rooms_taken(db, [booking for booking, _ in page if booking.booking_id in open_ids])
    pending = await pending_decisions(db, open_ids) if open_ids else {}
    others = await others_waiting(db, open_ids) if open_ids else {}
    waiting_ids = [booking.booking_id for booking, _ in page if booking.status == Status.PENDING_APPROVAL]
    cards = await cards_of(db, waiting_ids) if decides and waiting_ids else {}
    facts = ListFacts(taken, others, pending, cards)
    return Listing(
        [_line(booking, room, hotel, facts, now) for booking, room in page],
        list_request.address(cursor=encode(position(page[-1][0], list_request.sort), list_request.sort))
        if more
        else None,
    )


def _line(
    booking: Booking,
    room: RoomType,
    hotel: Hotel,
    facts: ListFacts,
    now: datetime,
) -> BookingLine:
    status = Status(booking.status)
    waits = status is Status.PENDING_APPROVAL
    # A decision that failed is not under way: the booking needs attention.
    kind = facts.pending.get(booking.booking_id) if not booking.needs_attention else None
    return BookingLine(
        booking_id=booking.booking_id,
        guest=f"{booking.guest_first_name} {booking.guest_last_name}",
        stay=short_stay(booking.check_in, booking.check_out),
        nights=count_in_words(nights(booking.check_in, booking.check_out), "night"),
        room=room.name,
        people=people_in_words(booking.adults, booking.children),
        amount=money_in_words(booking.amount_minor, booking.currency),
        status=status,
        status_words=words.STATUS[status],
        urgency=words.urgency(booking.decision_deadline, now) if waits else None,
        deadline=_local(booking.decision_deadline, hotel, now) if waits else None,
        made=short_instant(booking.created_at, hotel.timezone, now),
        under_way=words.UNDER_WAY[Decision(kind)] if kind else None,
        fullness=Fullness(facts.taken[booking.booking_id], room.rooms + hotel.overbooking)
        if booking.booking_id in facts.taken
        else None,
        others=words.others_waiting(facts.waiting.get(booking.booking_id, 0)) if waits else None,
        requests=shortened(booking.special_requests or "", _LONGEST_REQUEST) if waits else None,
        card=card_lines(facts.cards[booking.booking_id]) if booking.booking_id in facts.cards else None,
        needs_attention=booking.needs_attention,
    )


def _local(instant: datetime | None, hotel: Hotel, now: datetime) -> str | None:
    return short_instant(instant, hotel.timezone, now) if instant else None
