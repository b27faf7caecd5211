"""`hotel`: hotels and the terms they offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.schemas import ContactIn
from domain.hotel_terms import BOUNDS
from domain.room_types import BOUNDS as ROOM_BOUNDS
from management import checks
from management.books import export
from management.hotel_display import list_hotels, show_hotel
from management.tools import fail, refuse_other_values, say, tools_of
from models import Hotel
from storage import catalogue
from storage.database import Database
from storage.room_blocks import RoomsTakenError

app = typer.Typer(no_args_is_help=True, help="Hotels and the terms they offer.")


def _within(term: str) -> dict[str, Any]:
    return {"min": BOUNDS[term].least, "max": BOUNDS[term].most}


def _contact(name: str) -> Callable[[str | None], str | None]:
    """A check of one way to reach a hotel, the same as in the console."""

    def check(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            value: str | None = getattr(ContactIn.model_validate({name: text}), name)
        except ValidationError as error:
            raise typer.BadParameter(f"it {error.errors()[0]['msg']}") from None
        return value

    return check


Slug = Annotated[str, typer.Argument(callback=checks.slug, help="The hotel's name in URLs.")]
Name = Annotated[str | None, typer.Option(callback=checks.name, help="Its name, as guests read it.")]
Currency = Annotated[str | None, typer.Option(callback=checks.currency, help="ISO 4217, such as EUR.")]
Timezone = Annotated[str | None, typer.Option(callback=checks.timezone, help="IANA, such as Europe/Dublin.")]
CheckInHour = Annotated[
    int | None,
    typer.Option(**_within("check_in_hour"), help="The hour, hotel time, at which a stay starts."),
]
CheckOutHour = Annotated[
    int | None, typer.Option(**_within("check_out_hour"), help="The hour, hotel time, by which guests leave.")
]
ApprovalSla = Annotated[
    int | None,
    typer.Option(**_within("approval_sla_s"), help="Seconds the hotel has to answer, from the hold."),
]
PaymentWindow = Annotated[
    int | None,
    typer.Option(**_within("payment_window_s"), help="Seconds guests have to pay, from submission."),
]
CutoffDays = Annotated[
    int | None,
    typer.Option(
        **_within("cutoff_days_before"),
        help="Days before check-in on which the cutoff falls; the hotel answers by then.",
    ),
]
CutoffHour = Annotated[
    int | None,
    typer.Option(**_within("cutoff_hour"), help="The cutoff's hour, hotel time; 24 is the next midnight."),
]
FreeCancelDays = Annotated[
    int | None,
    typer.Option(
        **_within("free_cancel_days"), help="Days before check-in until which cancellation is free."
    ),
]
LateFee = Annotated[
    int | None,
    typer.Option(
        **_within("late_cancel_fee_percent"), help="Percentage of the total that a later cancellation costs."
    ),
]

Overbooking = Annotated[
    int | None,
    typer.Option(
        min=ROOM_BOUNDS["overbooking"].least,
        max=ROOM_BOUNDS["overbooking"].most,
        help="Rooms of each type that may be sold beyond their number.",
    ),
]
LongHolds = Annotated[
    bool | None,
    typer.Option(help="Ask Stripe to hold cards for up to 30 days, where the card allows it."),
]
ManagersNeedSecondFactor = Annotated[
    bool | None, typer.Option(help="Managers log in with a second factor, or set one up first.")
]
ContactEmail = Annotated[
    str | None, typer.Option(callback=_contact("contact_email"), help="E-mail address for guests.")
]
ContactPhone = Annotated[
    str | None,
    typer.Option(
        callback=_contact("contact_phone"), help="Telephone number for guests, with the country code."
    ),
]
Address = Annotated[
    str | None, typer.Option(callback=_contact("address"), help="As on a letter, in one line or several.")
]
Directions = Annotated[
    str | None,
    typer.Option(callback=_contact("directions"), help="Directions for guests, and what to know on arrival."),
]
Location = Annotated[
    str | None,
    typer.Option(callback=_contact("location"), help="Latitude and longitude, such as 52.0599,-9.5044."),
]


@app.command("add")
def add(
    context: typer.Context,
    slug: Slug,
    name: Name,
    currency: Currency,
    timezone: Timezone,
    check_in_hour: CheckInHour = None,
    check_out_hour: CheckOutHour = None,
    approval_sla_s: ApprovalSla = None,
    payment_window_s: PaymentWindow = None,
    cutoff_days_before: CutoffDays = None,
    cutoff_hour: CutoffHour = None,
    free_cancel_days: FreeCancelDays = None,
    late_cancel_fee_percent: LateFee = None,
    overbooking: Overbooking = None,
    long_holds: LongHolds = None,
    managers_need_second_factor: ManagersNeedSecondFactor = None,
    contact_email: ContactEmail = None,
    contact_phone: ContactPhone = None,
    address: Address = None,
    directions: Directions = None,
    location: Location = None,
) -> None:
    """Add a hotel; omitted terms get the product's defaults."""
    terms = _given(
        name=name,
        currency=currency,
        timezone=timezone,
        check_in_hour=check_in_hour,
        check_out_hour=check_out_hour,
        approval_sla_s=approval_sla_s,
        payment_window_s=payment_window_s,
        cutoff_days_before=cutoff_days_before,
        cutoff_hour=cutoff_hour,
        free_cancel_days=free_cancel_days,
        late_cancel_fee_percent=late_cancel_fee_percent,
        overbooking=overbooking,
        long_holds=long_holds,
        managers_need_second_factor=managers_need_second_factor,
        contact_email=contact_email,
        contact_phone=contact_phone,
        address=address,
        directions=directions,
        location=location,
    )
    tools = tools_of(context)

    async def work() -> bool:
        async with tools.database() as database, database.transaction() as db:
            added = await catalogue.add_unless_there(db, Hotel(slug=slug, **terms))
            kept = await catalogue.hotel_by_slug(db, slug)
            refuse_other_values(f"Hotel {slug}", kept, terms, f"`hotel set {slug}` changes its terms.")
            return added

    if tools.run(work()):
        say(f"Hotel {slug} added.")
    else:
        say(f"Hotel {slug} exists already with these values; nothing changed.")


@app.command("set")
def set_(
    context: typer.Context,
    slug: Slug,
    name: Name = None,
    currency: Currency = None,
    timezone: Timezone = None,
    check_in_hour: CheckInHour = None,
    check_out_hour: CheckOutHour = None,
    approval_sla_s: ApprovalSla = None,
    payment_window_s: PaymentWindow = None,
    cutoff_days_before: CutoffDays = None,
    cutoff_hour: CutoffHour = None,
    free_cancel_days: FreeCancelDays = None,
    late_cancel_fee_percent: LateFee = None,
    overbooking: Overbooking = None,
    long_holds: LongHolds = None,
    managers_need_second_factor: ManagersNeedSecondFactor = None,
    contact_email: ContactEmail = None,
    contact_phone: ContactPhone = None,
    address: Address = None,
    directions: Directions = None,
    location: Location = None,
) -> None:
    """Change a hotel's terms; existing bookings keep theirs."""
    terms = _given(
        name=name,
        currency=currency,
        timezone=timezone,
        check_in_hour=check_in_hour,
        check_out_hour=check_out_hour,
        approval_sla_s=approval_sla_s,
        payment_window_s=payment_window_s,
        cutoff_days_before=cutoff_days_before,
        cutoff_hour=cutoff_hour,
        free_cancel_days=free_cancel_days,
        late_cancel_fee_percent=late_cancel_fee_percent,
        overbooking=overbooking,
        long_holds=long_holds,
        managers_need_second_factor=managers_need_second_factor,
        contact_email=contact_email,
        contact_phone=contact_phone,
        address=address,
        directions=directions,
        location=location,
    )
    if not terms:
        raise typer.BadParameter("nothing to set: give at least one of the options (see --help)")
    tools = tools_of(context)

    async def work() -> list[str]:
        async with tools.database() as database:
            return await _change(database, slug, terms)

    changes = tools.run(work())
    say(
        f"Hotel {slug}: {', '.join(changes)}." if changes else f"Hotel {slug} is so already; nothing changed."
    )


async def _change(database: Database, slug: str, terms: dict[str, Any]) -> list[str]:
    """Set the terms that differ, and return the changes in words."""
    async with database.transaction() as db:
        hotel = await catalogue.hotel_by_slug(db, slug, lock=True)
        if hotel is None or hotel.id is None:
            fail(f"There is no hotel {slug}. `hotel add {slug}` adds it.")
        differing = {key: value for key, value in terms.items() if getattr(hotel, key) != value}
        if "currency" in differing and await catalogue.room_types(db, hotel.id):
            fail(f"Hotel {slug} has room types priced in {hotel.currency}: its currency cannot change.")
        changes = [f"{key} {getattr(hotel, key)} → {value}" for key, value in differing.items()]
        for key, value in differing.items():
            setattr(hotel, key, value)
        if "overbooking" in differing:
            try:
                await catalogue.change_overbooking(db, hotel, differing["overbooking"])
            except RoomsTakenError as error:
                which = f"an allowance of {differing['overbooking']} for {error.code}"
                fail(f"{slug} cannot have {which}: {error}.")
        return changes


def _given(**terms: Any) -> dict[str, Any]:
    return {key: value for key, value in terms.items() if value is not None}


app.command("list")(list_hotels)
app.command("show")(show_hotel)
app.command("export")(export)
