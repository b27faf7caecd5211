"""Bookings that need attention, and the buttons that help them."""

from __future__ import annotations

from domain.attention import Attention, AttentionCode
from sandbox.drivers import GuestDriver, wait_until
from tests.api.hotels import HotelDriver
from tests.api.rows import call_for_attention, commands_of
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient

REFUSAL = {"kind": "error_before", "status": 400, "times": 50}


async def stuck(hotel: HotelDriver, stack: ApiStack, approver: PageClient) -> GuestDriver:
    """A booking whose capture Stripe refuses."""
    guest = await hotel.held()
    await stack.client.fault(stack.client.at.stripe, match="POST /v1/payment_intents/*/capture", **REFUSAL)
    await approver.submit(f"/staff/bookings/{guest.booking_id}/approve/")

    async def flagged() -> bool:
        return bool((await guest.read_booking())["needs_attention"])

    await wait_until(flagged, bool, what="the booking to need a person")
    return guest


async def test_a_stuck_booking_is_listed_and_resumed(
    manager: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    assert "No booking needs attention." in (await manager.open("/staff/attention/")).words
    guest = await stuck(hotel, stack, approver)
    outcome_page = await approver.open(f"/staff/bookings/{guest.booking_id}/?decision=approve")
    assert "Your approval could not be carried out. It needs attention; see below." in outcome_page.words
    assert "A manager can retry or resolve it." in outcome_page.words
    queue = (await manager.open("/staff/")).words
    assert "Needs attention" in queue
    assert "Capturing…" not in queue, "nothing is under way that waits for somebody"
    page = await manager.open("/staff/attention/")
    assert page.title.startswith("(1) Attention")
    for words in (
        "Philippa Quarshie",
        "Stripe refused to charge the card of Philippa Quarshie (€150.00).",
        "What to do: Open the payment in the Stripe Dashboard",
        "Until when: By ",
        "After that the hold may end, and nothing can be charged.",
        "Try again",
        "I have resolved it",
    ):
        assert words in page.words, words
    folded = page.html.split("<summary>Technical details</summary>")[1].split("</details>")[0]
    assert "Stripe: HTTP 400" in folded
    assert page.html.count("Stripe: HTTP 400") == 1, "only there"
    subject = f"Attention needed - {guest.booking_id}"

    async def mails() -> list[str]:
        return [m["text"] for m in await stack.client.mails(guest.booking_id) if m["subject"] == subject]

    text = " ".join((await wait_until(mails, len, what="the mail"))[0].split())
    for words in (
        "Stripe refused to charge the card of Philippa Quarshie (€150.00).",
        "What to do: Open the payment",
        "Until when: By ",
    ):
        assert words in text, words
    assert text.index("Until when:") < text.index("Technical details: ") < text.index("HTTP 400")
    path = f"/staff/bookings/{guest.booking_id}/help/"
    outcome_page = await manager.follow((await manager.send(path, kind="retry")).location)
    assert "The booking still needs attention; see below." in outcome_page.words
    await stack.stand_ins.clear_faults()
    await manager.open("/staff/attention/")
    outcome_page = await manager.follow((await manager.send(path, kind="retry")).location)
    assert "Done: nothing left to do." in outcome_page.words
    assert (await guest.read_booking())["status"] == "CONFIRMED"
    assert (await stack.client.payment(guest.booking_id))["captures"] == 1
    assert "No booking needs attention." in (await manager.open("/staff/attention/")).words
    kinds = [(row.kind, row.actor) for row in await commands_of(stack, guest.booking_id)]
    assert kinds.count(("retry", f"manager@{hotel.slug}.test")) == 2


async def test_what_was_fixed_in_stripe_is_followed(
    manager: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await stuck(hotel, stack, approver)
    intent = (await guest.read_booking())["payment_intent_id"]
    # Stripe's events about it are lost: only the button can find out.
    await stack.client.fault(stack.client.at.stripe, match="WEBHOOK *", kind="drop", times=50)
    await stack.client.dashboard(f"payment_intents/{intent}/cancel")
    await manager.open("/staff/attention/")
    path = f"/staff/bookings/{guest.booking_id}/help/"
    outcome_page = await manager.follow((await manager.send(path, kind="resolve")).location)
    assert "Done: nothing left to do." in outcome_page.words
    booking = await guest.read_booking()
    assert (booking["status"], booking["reason_code"]) == ("DECLINED", "AUTHORIZATION_EXPIRED")


async def unrefunded(hotel: HotelDriver, stack: ApiStack, approver: PageClient) -> GuestDriver:
    """A booking whose guest has cancelled, and whose refund Stripe refuses."""
    guest = await hotel.held()
    await approver.submit(f"/staff/bookings/{guest.booking_id}/approve/")
    await stack.client.fault(stack.client.at.stripe, match="POST /v1/refunds", **REFUSAL)
    assert (await guest.cancel()).status_code == 202

    async def flagged() -> bool:
        return bool((await guest.read_booking())["needs_attention"])

    await wait_until(flagged, bool, what="the booking to need a person")
    return guest


async def test_manager_says_how_much_the_guest_was_paid(
    manager: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await unrefunded(hotel, stack, approver)
    page = await manager.open("/staff/attention/")
    for words in ("I've fixed it in Stripe", "I've paid the guest", "Withdraw the cancellation"):
        assert words in page.words, words
    path = f"/staff/bookings/{guest.booking_id}/help/"
    total = (await guest.read_booking())["amount"]
    outcome_page = await manager.follow((await manager.send(path, kind="resolve")).location)
    assert "Nothing was changed. The guest is still owed money" in outcome_page.words
    for amount in ("", "a lot", "0", "1.001"):
        await manager.open("/staff/attention/")
        assert (await manager.send(path, kind="paid_elsewhere", amount=amount)).status == 422
    await manager.open("/staff/attention/")
    sent = await manager.send(path, kind="paid_elsewhere", amount=f" {total} ")
    outcome_page = await manager.follow(sent.location)
    assert "Done:" in outcome_page.words
    assert "Paid outside Stripe" in outcome_page.words
    booking = await guest.read_booking()
    assert (booking["status"], booking["amount_paid_elsewhere"]) == ("CANCELLED", total)
    assert booking["amount_refunded"] == "0.00"
    assert booking["timeline"][-2]["actor"] == f"manager@{hotel.slug}.test"


async def test_manager_withdraws_a_cancellation_and_says_why(
    manager: PageClient, approver: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await unrefunded(hotel, stack, approver)
    path = f"/staff/bookings/{guest.booking_id}/help/"
    for note in ("", "x" * 1001):
        await manager.open("/staff/attention/")
        assert (await manager.send(path, kind="withdraw", note=note)).status == 422
    await manager.open("/staff/attention/")
    await manager.send(path, kind="withdraw", note="Please call us.")
    booking = await guest.read_booking()
    assert (booking["status"], booking["reason_note"]) == ("CONFIRMED", "Please call us.")
    assert booking["timeline"][-2]["event"] == "cancellation_withdrawn"


async def test_helping_where_nothing_is_stuck_says_so(manager: PageClient, hotel: HotelDriver) -> None:
    guest = await hotel.held()
    path = f"/staff/bookings/{guest.booking_id}/help/"
    await manager.open("/staff/attention/")
    await manager.open("/staff/")
    outcome_page = await manager.follow((await manager.send(path, kind="retry")).location)
    assert "No step was left to retry." in outcome_page.words
    assert (await manager.send(path, kind="explode")).status == 422
    assert (await guest.read_booking())["status"] == "PENDING_APPROVAL"


async def test_a_flag_without_a_workflow_is_told_honestly(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    guest = await hotel.held()
    assert (await guest.cancel()).status_code == 200
    # It sees its last messages off before it completes.
    await stack.temporal.get_workflow_handle(f"booking-{guest.booking_id}").result()
    await call_for_attention(
        hotel,
        guest,
        Attention(AttentionCode.EMAIL_FAILED, "cancelled", "SMTP 550"),
        Attention(AttentionCode.UNMATCHED_PAYMENT_KEPT, "pi_beside", "Stripe: HTTP 400"),
    )
    for path in ("/staff/attention/", f"/staff/bookings/{guest.booking_id}/"):
        page = await manager.open(path)
        for words in (
            "An e-mail about this booking could not be sent.",
            "Once the address or the mail server is corrected, press “Try again” to send it again.",
            "cancelled: SMTP 550",
            "A payment of Philippa Quarshie that this booking does not need could not be released or refunded.",
            "Until when: Today, if you can: the guest is waiting for the money.",
            "pi_beside: Stripe: HTTP 400",
        ):
            assert words in page.words, (path, words)
        assert page.words.count("What to do:") == 2
    await manager.open("/staff/attention/")
    outcome_page = await manager.follow(
        (await manager.send(f"/staff/bookings/{guest.booking_id}/help/", kind="retry")).location
    )
    assert "Nothing was sent: the booking has no running workflow." in outcome_page.words
