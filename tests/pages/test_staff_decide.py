"""Looking at a booking, and deciding: permissions, the page before it, the answer after it."""

from __future__ import annotations

import asyncio

import pytest

from domain.booking import Decision
from models import Hotel as HotelRow
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver, open_hotel
from tests.api.rows import commands_of
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient


def at(guest: GuestDriver, path: str = "") -> str:
    return f"/staff/bookings/{guest.booking_id}/{path}"


async def status_of(guest: GuestDriver) -> str:
    return str((await guest.read_booking())["status"])


async def test_a_booking_shows_everything_about_guest_stay_money_and_story(
    viewer: PageClient, manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held(special_requests="A quiet room,\nplease.")

    async def mailed() -> int:
        return len(await stack.client.mails(guest.booking_id))

    await wait_until(mailed, lambda count: count >= 3, what="the mails")
    page = await viewer.open(at(guest))
    intent = (await guest.read_booking())["payment_intent_id"]
    for words in (
        guest.booking_id,
        "Philippa Quarshie",
        "philippa.quarshie@example.com",
        "+353 1 496 0199",
        "A quiet room, please.",
        "Held, not charged",
        "€150.00",
        "Card held",
        "Request submitted",
        "Answer within 23 h 59 min",
        f"Payment authorized — awaiting hotel confirmation ({guest.booking_id})",
    ):
        assert words in page.words, words
    assert f"https://dashboard.stripe.com/test/payments/{intent}" in page.links
    assert not [link for link in page.links if ":8233" in link], "the Temporal UI is for managers"
    assert at(guest, "approve/") not in page.links, "viewers do not decide"
    workflow = f"http://127.0.0.1:8233/namespaces/default/workflows/booking-{guest.booking_id}"
    assert workflow in (await manager.open(at(guest))).links


async def test_approving_asks_once_with_the_amount_and_then_captures(
    approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    assert at(guest, "approve/") in (await approver.open(at(guest))).links
    preview = await approver.open(at(guest, "approve/"))
    assert "Approve and capture €150.00" in preview.words
    assert await status_of(guest) == "PENDING_APPROVAL"
    page = await approver.send(at(guest, "approve/"))
    assert (page.status, page.location) == (303, at(guest, "?decision=approve"))
    outcome_page = await approver.open(page.location)
    assert "Approved: €150.00 was captured" in outcome_page.words
    payment = await stack.client.payment(guest.booking_id)
    assert (payment["status"], payment["captures"]) == ("succeeded", 1)


async def test_declining_shows_the_mail_first_and_sends_it_so(
    approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    decline_page = await approver.open(at(guest, "decline/"))
    assert "Choose a reason" in decline_page.words
    assert "(the reason you choose)" in decline_page.words
    unchosen = await approver.send(at(guest, "decline/"), reason_code="", reason_note="Sorry.")
    assert (unchosen.status, "Reason: Choose a reason." in unchosen.words) == (422, True)
    assert await status_of(guest) == "PENDING_APPROVAL", "nobody has said why"
    note = "We are <b>full</b> that week, sorry.\nPerhaps in May?"
    form = {"reason_code": "RATE_ERROR", "reason_note": note}
    shown = await approver.send(at(guest, "decline/preview/"), **form)
    assert "The price of this booking was not correct." in shown.words
    assert "We are <b>full</b> that week" in shown.words
    assert guest.token not in shown.html, "the guest's link opens the guest's booking"
    assert await status_of(guest) == "PENDING_APPROVAL", "a preview decides nothing"
    page = await approver.send(at(guest, "decline/"), **form)
    outcome_page = await approver.open(page.location)
    assert "Declined: the hold was released" in outcome_page.words
    assert "We are <b>full</b> that week" in outcome_page.words
    booking = await guest.read_booking()
    assert (booking["status"], booking["reason_code"], booking["reason_note"]) == (
        "DECLINED",
        "RATE_ERROR",
        note,
    )

    async def mail() -> list[str]:
        subject = f"Booking Update - {guest.booking_id}"
        return [m["text"] for m in await stack.client.mails(guest.booking_id) if m["subject"] == subject]

    [text] = await wait_until(mail, len, what="the mail")
    preview = shown.html.split('<div class="as-written">')[1].split("</div>")[0]
    sent = " ".join(text.split("See your request")[0].split())
    assert " ".join(_unescaped(preview).split("See your request")[0].split()) == sent


def _unescaped(text: str) -> str:
    from html import unescape

    return unescape(text)


async def test_the_systems_own_reasons_and_overlong_notes_are_refused(
    approver: PageClient, hotel: HotelDriver
) -> None:
    guest = await hotel.held()
    await approver.open(at(guest, "decline/"))
    for form in (
        {"reason_code": "APPROVAL_TIMEOUT"},
        {"reason_code": "no such reason"},
        {"reason_code": "OTHER", "reason_note": "x" * 1001},
    ):
        page = await approver.send(at(guest, "decline/"), **form)
        assert page.status == 422, form
        assert "Please correct this" in page.words
    assert await status_of(guest) == "PENDING_APPROVAL"
    # Two letters for one line's end are no reason to refuse what fits.
    page = await approver.send(at(guest, "decline/"), reason_code="OTHER", reason_note="a\r\n" * 499 + "ab")
    assert page.status == 303


@pytest.mark.parametrize(
    "path", ["", "approve/", "decline/", "cancel/", "decline/preview/", "cancel/preview/", "help/"]
)
async def test_looking_never_decides(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack, path: str
) -> None:
    """Mail scanners open links, with HEAD and GET, whatever is in the address."""
    guest = await hotel.held()
    for query in ("", "?decision=approve", "?kind=retry&reason_code=OTHER&refund=15000"):
        await manager.open(at(guest, path) + query)
        await manager.http.head(at(guest, path) + query)
    assert await commands_of(stack, guest.booking_id) == []
    assert await status_of(guest) == "PENDING_APPROVAL"


async def test_roles_are_kept(viewer: PageClient, approver: PageClient, hotel: HotelDriver) -> None:
    waiting, confirmed = await hotel.held(), await hotel.confirmed()
    await viewer.open("/staff/")
    for path in ("approve/", "decline/", "decline/preview/", "help/"):
        assert (await viewer.send(at(waiting, path), kind="retry", reason_code="OTHER")).status == 403, path
    assert (await viewer.send(at(confirmed, "cancel/"), refund_amount="150.00")).status == 403
    for path in ("approve/", "decline/"):
        assert (await PageClient.open(viewer, at(waiting, path))).status == 403, path
    await approver.open("/staff/")
    assert (await approver.send(at(confirmed, "cancel/"), refund_amount="150.00")).status == 403
    assert (await approver.send(at(confirmed, "cancel/preview/"))).status == 403
    assert (await approver.send(at(waiting, "help/"), kind="retry")).status == 403
    assert (await approver.open(at(confirmed, "cancel/"))).status == 403
    assert at(confirmed, "cancel/") not in (await approver.open(at(confirmed))).links
    assert (await status_of(waiting), await status_of(confirmed)) == ("PENDING_APPROVAL", "CONFIRMED")


async def test_another_hotels_booking_is_not_found(manager: PageClient, stack: ApiStack) -> None:
    """Neither seen nor decided, not even by a manager."""
    guest = await (await open_hotel(stack)).held()
    await manager.open("/staff/")
    for path in ("", "approve/", "decline/", "cancel/"):
        assert (await manager.open(at(guest, path))).status == 404, path
    await manager.open("/staff/")
    for path in ("approve/", "decline/", "decline/preview/", "cancel/", "cancel/preview/", "help/"):
        page = await manager.send(at(guest, path), kind="retry", reason_code="OTHER")
        assert (page.status, "Philippa" in page.html) == (404, False), path
    assert await status_of(guest) == "PENDING_APPROVAL"


@pytest.mark.parametrize(
    "path", ["approve/", "decline/", "cancel/", "help/", "decline/preview/", "cancel/preview/"]
)
async def test_a_form_from_elsewhere_is_refused(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack, path: str
) -> None:
    guest = await hotel.held()
    fields = {"kind": "retry", "reason_code": "OTHER", "refund": "15000"}
    assert (await manager.http.post(at(guest, path), data=fields)).status_code == 403
    await manager.open(at(guest, "approve/"))
    assert manager.page is not None
    token = manager.page.hidden["csrf"]
    answer = await manager.http.post(
        at(guest, path), data=fields | {"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403
    assert await commands_of(stack, guest.booking_id) == []


async def test_pressing_twice_and_coming_back_do_no_harm(
    approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    await approver.open(at(guest, "approve/"))
    both = await asyncio.gather(*(approver.send(at(guest, "approve/")) for _ in range(2)))
    assert [page.location for page in both] == [at(guest, "?decision=approve")] * 2
    again = await approver.send(at(guest, "approve/"))
    assert "Approved: €150.00 was captured" in (await approver.follow(again.location)).words
    assert (await stack.client.payment(guest.booking_id))["captures"] == 1
    # The page that asks, reached once more by the back button, leads to how it came out.
    page = await approver.open(at(guest, "approve/"))
    assert (page.status, page.location) == (303, at(guest))


async def test_what_came_out_and_was_undone_later_is_not_called_too_late(
    approver: PageClient, manager: PageClient, hotel: HotelDriver
) -> None:
    """The approver's page is still open when the stay is cancelled."""
    guest = await hotel.held()
    await approver.open(at(guest, "approve/"))
    approved = await approver.send(at(guest, "approve/"))
    assert "Approved: €150.00" in (await approver.follow(approved.location)).words
    await manager.open(at(guest, "cancel/"))
    cancelled = await manager.send(at(guest, "cancel/"), refund_amount="150.00")
    assert "Cancelled: €150.00" in (await manager.follow(cancelled.location)).words
    assert "too late" not in (await approver.open(approved.location)).words


async def test_a_colleague_who_was_quicker_is_named(
    approver: PageClient, manager: PageClient, hotel: HotelDriver
) -> None:
    guest = await hotel.held()
    await approver.open(at(guest, "approve/"))
    await manager.open(at(guest, "decline/"))
    await approver.send(at(guest, "approve/"))
    refused = await manager.send(at(guest, "decline/"), reason_code="OTHER")
    outcome_page = (await manager.follow(refused.location)).words
    assert f"Your decline came too late: approved by approver@{hotel.slug}.test at" in outcome_page
    same = await manager.submit(at(guest), reason_code="OTHER")
    await manager.open("/staff/")
    same = await manager.send(at(guest, "approve/"))
    outcome_page = (await manager.follow(same.location)).words
    assert f"Already done: approved by approver@{hotel.slug}.test at" in outcome_page
    assert await status_of(guest) == "CONFIRMED"


async def test_a_slow_stripe_shows_capturing_and_ends_in_the_true_state(
    approver: PageClient, manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    await stack.client.fault(
        stack.client.at.stripe, match="POST /v1/payment_intents/*/capture", kind="delay", delay_s=8
    )
    await approver.open(at(guest, "approve/"))
    page = await approver.send(at(guest, "approve/"))
    outcome_page = await approver.follow(page.location)
    assert "Your approval is safe. Capturing…" in outcome_page.words
    assert "load delay:2s" in outcome_page.html, "the page looks by itself"
    assert at(guest, "approve/") not in outcome_page.links, "nobody is asked to decide twice"
    other = await manager.open(at(guest))
    assert f"Requested by approver@{hotel.slug}.test" in other.words
    assert "Capturing…" in (await manager.open("/staff/")).words
    await guest.until("CONFIRMED")
    outcome_page = await approver.open(page.location)
    assert "Approved: €150.00 was captured" in outcome_page.words
    assert "load delay:2s" not in outcome_page.html


async def test_a_manager_chooses_the_refund_between_the_policys_and_what_was_paid(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    async with stack.database.transaction() as db:
        row = await db.get_one(HotelRow, hotel.id)
        row.free_cancel_days, row.late_cancel_fee_percent = 60, 30
    guest = await hotel.confirmed(days_ahead=30)
    preview = await manager.open(at(guest, "cancel/"))
    assert "Minimum refund under the policy €105.00" in preview.words
    assert 'value="150.00"' in preview.html
    page = await manager.send(at(guest, "cancel/"), refund_amount="104.99", reason_note="A leak.")
    assert page.status == 422
    assert "105.00 to 150.00 EUR" in page.words
    assert "A leak." in page.html
    assert await status_of(guest) == "CONFIRMED"
    outcome_page = await manager.submit(at(guest, "cancel/"), refund_amount="120.00", reason_note="A leak.")
    assert "Cancelled: €120.00 is refunded to the guest" in outcome_page.words
    booking = await guest.read_booking()
    assert (booking["amount_refunded"], booking["reason_note"]) == ("120.00", "A leak.")


async def test_cancelling_refunds_what_was_shown(manager: PageClient, hotel: HotelDriver) -> None:
    guest = await hotel.confirmed()
    outcome_page = await manager.submit(at(guest, "cancel/"))
    assert "Cancelled: €150.00 is refunded to the guest" in outcome_page.words
    booking = await guest.read_booking()
    assert (booking["status"], booking["amount_refunded"]) == ("CANCELLED", "150.00")


@pytest.mark.parametrize("decision", list(Decision))
async def test_a_booking_that_waits_for_payment_cannot_be_decided(
    manager: PageClient, hotel: HotelDriver, decision: Decision
) -> None:
    guest = await hotel.submitted()
    page = await manager.open(at(guest, f"{decision}/"))
    assert (page.status, page.location) == (303, at(guest))
    await manager.open("/staff/")
    outcome_page = await manager.follow(
        (await manager.send(at(guest, f"{decision}/"), reason_code="OTHER")).location
    )
    assert "Not done." in outcome_page.words
    assert await status_of(guest) == "PENDING_PAYMENT"
