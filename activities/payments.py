"""Stripe: sessions, holds, captures, releases and refunds. Every step reads before it writes."""

from __future__ import annotations

from datetime import UTC, datetime

import stripe
from stripe.params.checkout import SessionCreateParams
from temporalio import activity

from activities.stripe_client import translated_errors
from domain.identifiers import return_code, return_code_hash, return_page
from domain.messages.stripe_steps import (
    CheckoutSession,
    ExpireSession,
    MoneyStep,
    OpenSession,
    PaymentQuestion,
)
from domain.money import Money, from_stripe, to_stripe
from domain.payment import PaymentSnapshot, PaymentStatus
from models import PaymentSession
from storage.bookings import BookingNotFoundError, booking_with_hotel, record_session, return_addresses
from storage.database import Database

_FINAL_STATUSES = {
    "requires_capture": PaymentStatus.REQUIRES_CAPTURE,
    "succeeded": PaymentStatus.SUCCEEDED,
    "canceled": PaymentStatus.CANCELED,
}
_WITH_CHARGE = ["latest_charge"]
_SESSION_WITH_CHARGE = ["payment_intent.latest_charge"]


class Payments:
    """Activities on a booking's money.

    Raises (all of them):
        ApplicationError: typed as in `activities.stripe_client`.
    """

    def __init__(
        self,
        stripe_client: stripe.StripeClient,
        database: Database,
        *,
        public_base_url: str,
        auth_secret: str,
    ) -> None:
        self._stripe = stripe_client.v1
        self._database = database
        self._public_base_url = public_base_url
        self._auth_secret = auth_secret

    @activity.defn(name="payments.open_session")
    async def open_session(self, request: OpenSession) -> CheckoutSession:
        """Open a Checkout session that holds the card without charging it, and note it in the books."""
        key = f"booking:{request.booking_id}:session:{request.generation}"
        code = return_code(self._auth_secret, key)
        params = await self._session_params(request, code)
        with translated_errors(write=True):
            session = await self._stripe.checkout.sessions.create_async(params, {"idempotency_key": key})
        expires_at = _instant(session.expires_at)
        async with self._database.transaction() as db:
            await record_session(
                db,
                PaymentSession(
                    session_id=session.id,
                    booking_id=request.booking_id,
                    url=session.url or "",
                    return_code_hash=return_code_hash(code),
                    expires_at=expires_at,
                ),
            )
        return CheckoutSession(session_id=session.id, expires_at=expires_at)

    async def _session_params(self, request: OpenSession, code: str) -> SessionCreateParams:
        async with self._database.reading() as db:
            found = await booking_with_hotel(db, request.booking_id)
            wishes = await return_addresses(db, request.return_to)
        if found is None:
            raise BookingNotFoundError(request.booking_id)
        booking, hotel, room_type = found
        money = Money(request.amount_minor, request.currency)
        stay = f"{booking.check_in} to {booking.check_out}"
        # Whoever may read the account's sessions and events reads these addresses: no token belongs there.
        page = return_page(self._public_base_url, request.booking_id, code)
        metadata = {"booking_id": request.booking_id, "hotel": hotel.slug}
        return {
            "mode": "payment",
            "allowed_payment_method_types": ["card"],
            "client_reference_id": request.booking_id,
            "customer_email": booking.guest_email,
            "expires_at": int(request.expires_at.timestamp()),
            "success_url": wishes.success_url or f"{page}&session_id={{CHECKOUT_SESSION_ID}}",
            "cancel_url": wishes.cancel_url or page,
            "submit_type": "book",
            "metadata": metadata,
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": request.currency.lower(),
                        "unit_amount": money.stripe_amount,
                        "product_data": {"name": f"{hotel.name}: {room_type.name}, {stay}"},
                    },
                }
            ],
            # The session's metadata does not reach the PaymentIntent, whose events are matched by it.
            "payment_intent_data": {
                "capture_method": "manual",
                "description": f"Hotel booking {request.booking_id} - {hotel.name}",
                "metadata": metadata,
            },
        }

    @activity.defn(name="payments.read")
    async def read(self, question: PaymentQuestion) -> PaymentSnapshot:
        """Ask Stripe what became of a session or PaymentIntent."""
        if question.payment_intent_id is not None:
            return _payment(await self._intent(question.payment_intent_id), question)
        if question.session_id is None:
            return PaymentSnapshot()
        with translated_errors(write=False):
            session = await self._stripe.checkout.sessions.retrieve_async(
                question.session_id, {"expand": _SESSION_WITH_CHARGE}
            )
        return _session_payment(session, question)

    @activity.defn(name="payments.expire_session")
    async def expire_session(self, step: ExpireSession) -> PaymentSnapshot:
        """Close a session; where the guest completed it first, the answer tells of their hold."""
        question = PaymentQuestion(
            booking_id=step.booking_id,
            session_id=step.session_id,
            amount_minor=step.amount_minor,
            currency=step.currency,
        )
        payment = await self.read(question)
        if not payment.session_open:
            return payment
        key = f"booking:{step.booking_id}:expire:{step.session_id}:{step.generation}"
        try:
            with translated_errors(write=True):
                await self._stripe.checkout.sessions.expire_async(
                    step.session_id, options={"idempotency_key": key}
                )
        except Exception:
            # The guest may have been quicker, or the answer got lost: the session itself knows.
            payment = await self.read(question)
            if payment.session_open:
                raise
            return payment
        return await self.read(question) if payment.payment_intent_id else PaymentSnapshot()

    @activity.defn(name="payments.capture")
    async def capture(self, step: MoneyStep) -> PaymentSnapshot:
        """Capture a hold in full, unless it is gone or captured already; the answer says which."""
        payment = await self._read_step(step)
        if payment.status is not PaymentStatus.REQUIRES_CAPTURE or not payment.matches:
            return payment
        amount = Money(step.amount_minor, step.currency).stripe_amount
        key = f"booking:{step.booking_id}:capture:{step.generation}"
        try:
            with translated_errors(write=True):
                intent = await self._stripe.payment_intents.capture_async(
                    step.payment_intent_id,
                    {"amount_to_capture": amount, "expand": _WITH_CHARGE},
                    {"idempotency_key": key},
                )
        except Exception:
            # Unknown is not failed: what the PaymentIntent says counts.
            payment = await self._read_step(step)
            if payment.status is PaymentStatus.REQUIRES_CAPTURE:
                raise
            return payment
        return _payment(intent, step)

    @activity.defn(name="payments.release")
    async def release(self, step: MoneyStep) -> PaymentSnapshot:
        """Cancel a hold, unless it is gone or was captured; the answer says which."""
        payment = await self._read_step(step)
        if payment.status is not PaymentStatus.REQUIRES_CAPTURE:
            return payment
        key = f"booking:{step.booking_id}:release:{step.payment_intent_id}:{step.generation}"
        try:
            with translated_errors(write=True):
                intent = await self._stripe.payment_intents.cancel_async(
                    step.payment_intent_id,
                    {"cancellation_reason": "abandoned", "expand": _WITH_CHARGE},
                    {"idempotency_key": key},
                )
        except Exception:
            # Unknown is not failed: what the PaymentIntent says counts.
            payment = await self._read_step(step)
            if payment.status is PaymentStatus.REQUIRES_CAPTURE:
                raise
            return payment
        return _payment(intent, step)

    @activity.defn(name="payments.refund")
    async def refund(self, step: MoneyStep) -> PaymentSnapshot:
        """Refund captured money until `amount_minor` has gone back in total, by whomever."""
        intent = await self._intent(step.payment_intent_id)
        payment = _payment(intent, step)
        if payment.status is not PaymentStatus.SUCCEEDED:
            return payment
        # Counted as the payment is: somebody may have paid in another currency than the booking's.
        missing = to_stripe(step.amount_minor - payment.amount_refunded_minor, intent.currency)
        if missing <= 0:
            return payment
        # What has gone back so far is part of the key: a later refund is another one, a repeat is not.
        key = (
            f"booking:{step.booking_id}:refund:{step.payment_intent_id}:"
            f"{payment.amount_refunded_minor}-{step.amount_minor}:{step.generation}"
        )
        try:
            with translated_errors(write=True):
                await self._stripe.refunds.create_async(
                    {
                        "payment_intent": step.payment_intent_id,
                        "amount": missing,
                        "reason": "requested_by_customer",
                        "metadata": {"booking_id": step.booking_id},
                    },
                    {"idempotency_key": key},
                )
        except Exception:
            # Unknown is not failed, and somebody may have been quicker: what the charge says counts.
            payment = await self._read_step(step)
            if payment.amount_refunded_minor < step.amount_minor:
                raise
            return payment
        return await self._read_step(step)

    async def _read_step(self, step: MoneyStep) -> PaymentSnapshot:
        return _payment(await self._intent(step.payment_intent_id), step)

    async def _intent(self, payment_intent_id: str) -> stripe.PaymentIntent:
        with translated_errors(write=False):
            return await self._stripe.payment_intents.retrieve_async(
                payment_intent_id, {"expand": _WITH_CHARGE}
            )


def _session_payment(session: stripe.checkout.Session, question: PaymentQuestion) -> PaymentSnapshot:
    is_open = session.status == "open"
    intent = session.payment_intent
    if intent is None:
        return PaymentSnapshot(session_open=is_open)
    assert isinstance(intent, stripe.PaymentIntent), "the session was read with its PaymentIntent expanded"
    return _payment(intent, question, session_open=is_open)


def _payment(
    intent: stripe.PaymentIntent, ours: PaymentQuestion | MoneyStep, *, session_open: bool = False
) -> PaymentSnapshot:
    currency = intent.currency.upper()
    charge = intent.latest_charge if isinstance(intent.latest_charge, stripe.Charge) else None
    expected = Money(ours.amount_minor, ours.currency).stripe_amount
    return PaymentSnapshot(
        status=_FINAL_STATUSES.get(intent.status, PaymentStatus.PENDING),
        session_open=session_open,
        payment_intent_id=intent.id,
        matches=(
            intent.amount == expected
            and currency == ours.currency
            and _metadata(intent).get("booking_id") == ours.booking_id
        ),
        amount_received_minor=from_stripe(intent.amount_received, currency),
        amount_refunded_minor=from_stripe(refunded(charge), currency) if charge else 0,
        authorized_at=_instant(charge.created) if charge else None,
        capture_before=_capture_before(charge),
        disputed=bool(charge and charge.disputed),
    )


def refunded(charge: stripe.Charge) -> int:
    """What went back of captured money. Stripe's own figure also counts a hold, or part of one, let go."""
    let_go = charge.amount - charge.amount_captured
    return max(charge.amount_refunded - let_go, 0)


def _metadata(intent: stripe.PaymentIntent) -> dict[str, str]:
    return intent.metadata.to_dict() if intent.metadata else {}


def _capture_before(charge: stripe.Charge | None) -> datetime | None:
    details = charge.payment_method_details if charge else None
    card = details.card if details else None
    return _instant(card.capture_before) if card and card.capture_before else None


def _instant(unix_time_s: int) -> datetime:
    return datetime.fromtimestamp(unix_time_s, UTC)
