"""Hotels of a test's own, with people who work and book there."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from argon2 import PasswordHasher

from domain.roles import Role
from models import Hotel as HotelRow
from models import RoomType
from models import Staff as StaffRow
from sandbox.drivers import GuestDriver, StaffDriver
from tests.api.stack import PATIENCE_S, ApiStack

Json = dict[str, Any]

PASSWORD = "correct horse battery staple"
# As cheap as Argon2 can be: what is tested is who gets in, not how long guessing takes.
_PASSWORD_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

PERSON: Json = {
    "first_name": "Philippa",
    "last_name": "Quarshie",
    "email": "philippa.quarshie@example.com",
    "phone": "+353 1 496 0199",
}

SOMEBODY = StaffRow(id=1, hotel_id=1, email="somebody@hotels.test", role=Role.VIEWER, password_hash="-")
"""Whose token has run out, say."""

_counter = itertools.count()


@dataclass(frozen=True)
class HotelDriver:
    """A hotel nobody else knows of."""

    stack: ApiStack
    slug: str
    id: int
    timezone: str
    _staff: dict[Role, StaffDriver] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its public address, without a slash at the end."""
        return f"{self.stack.api}/api/public/hotel/{self.slug}"

    @property
    def bookings_url(self) -> str:
        """A hotel that takes bookings."""
        return f"{self.url}/room-bookings/"

    def today(self) -> date:
        """The date by the hotel's own calendar."""
        return datetime.now(ZoneInfo(self.timezone)).date()

    def wish(self, *, days_ahead: int = 30, nights: int = 2, **changes: Any) -> Json:
        """The body of a booking request."""
        check_in = self.today() + timedelta(days=days_ahead)
        body = {
            "room_type": "double",
            "check_in": check_in.isoformat(),
            "check_out": (check_in + timedelta(days=nights)).isoformat(),
            "adults": 2,
            "guest": PERSON,
        }
        return body | changes

    async def ask_for(self, body: Json, *, key: str | None = None, api: str | None = None) -> httpx.Response:
        """Send a booking request.

        Args:
            key: the Idempotency-Key, if any.
            api: another API's address.
        """
        url = self.bookings_url.replace(self.stack.api, api or self.stack.api)
        headers = {"Idempotency-Key": key} if key is not None else {}
        return await self.stack.http.post(url, json=body, headers=headers)

    async def draft(self, **changes: Any) -> GuestDriver:
        """Someone with a draft."""
        return await self._guest(self.wish(submit=False, **changes))

    async def submitted(self, **changes: Any) -> GuestDriver:
        """Someone who has to pay."""
        return await self._guest(self.wish(**changes))

    async def held(self, *, hold_s: int | None = None, **changes: Any) -> GuestDriver:
        """Someone who has paid, and waits for the hotel."""
        guest = await self.submitted(**changes)
        assert (await guest.pay(hold_s=hold_s)).status_code == 303
        await guest.until("PENDING_APPROVAL", timeout_s=PATIENCE_S)
        return guest

    async def confirmed(self, **changes: Any) -> GuestDriver:
        """Someone whom the hotel has taken."""
        guest = await self.held(**changes)
        approver = await self.staff(Role.APPROVER)
        assert (await approver.approve(guest.booking_id)).status_code == 200
        return guest

    async def _guest(self, body: Json) -> GuestDriver:
        response = await self.ask_for(body)
        assert response.status_code == 201, response.text
        return GuestDriver(self.stack.client, response.json())

    def email(self, role: Role) -> str:
        """The log-in of an account with that role."""
        return f"{role}@{self.slug}.test"

    async def staff(self, role: Role = Role.APPROVER) -> StaffDriver:
        """Someone who works here, logged in."""
        if role not in self._staff:
            email = self.email(role)
            self._staff[role] = await StaffDriver.log_in(self.stack.client, self.slug, email, PASSWORD)
        return self._staff[role]


def midday_zone() -> str:
    """A time zone in which it is between noon and one o'clock: the day has begun, and no cutoff is near."""
    # POSIX: a zone west of Greenwich has the plus.
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


async def open_hotel(
    stack: ApiStack, *, currency: str = "EUR", price_minor: int = 7500, rooms: int = 30, **terms: Any
) -> HotelDriver:
    """Set up a hotel with room types `double` (2 guests) and `suite` (4), and one member of staff per role.

    Args:
        price_minor: a night in the double; the suite is twice that.
        rooms: how many there are of each type.
        terms: further columns of the hotel.
    """
    slug = f"inn-{next(_counter)}-{secrets.token_hex(4)}"
    row = HotelRow(slug=slug, name=f"The {slug}", currency=currency, **{"timezone": "Europe/Dublin", **terms})
    async with stack.database.transaction() as db:
        db.add(row)
        await db.flush()
        assert row.id is not None
        for code, price, guests in (("double", price_minor, 2), ("suite", 2 * price_minor, 4)):
            db.add(_room_type(row.id, code, price, guests, rooms))
        for role in Role:
            email = f"{role}@{slug}.test"
            db.add(StaffRow(hotel_id=row.id, email=email, role=role, password_hash=_PASSWORD_HASH))
    return HotelDriver(stack, slug, row.id, row.timezone)


def _room_type(hotel_id: int, code: str, price_minor: int, max_guests: int, rooms: int) -> RoomType:
    return RoomType(
        hotel_id=hotel_id,
        code=code,
        name=f"A {code}",
        price_per_night_minor=price_minor,
        max_guests=max_guests,
        rooms=rooms,
    )
