"""Stripe: sessions, holds, captures, releases and refunds. Every step reads before it writes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

import stripe
from stripe.params.checkout import SessionCreateParams
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.session_params import BookedStay, session_params
from domain.identifiers import return_code, return_code_hash, return_page
from domain.messages.stripe_steps import (
    CheckoutSession,
    ExpireSession,
    MoneyStep,
    OpenSession,
    PaymentQuestion,
)
from domain.money import Money, to_stripe
from domain.payment import PaymentSnapshot
from gateway.cards import payment_card
from gateway.disputes import read_disputes
from gateway.errors import translated_errors
from gateway.fees import stripe_fee, with_fee
from gateway.snapshots import WITH_CHARGE, instant, payment_snapshot
from models import PaymentSession
from storage.bookings import BookingNotFoundError, booking_with_hotel, record_session, return_addresses
from storage.card_details import keep_card
from storage.database import DATABASE_ERRORS, Database
from storage.disputes import keep_disputes
from storage.stripe_fees import keep_fee

log = logging.getLogger("activities")


class Payments:
    """Activities on a booking's money.

    Raises (all of them):
        ApplicationError: typed as in `gateway.errors`.
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
        """Open a Checkout session that holds the card without charging it, and store it in the database."""
        key = _key(request, "session")
        code = return_code(self._auth_secret, key)
        params = await self._session_params(request, code)
        with translated_errors(write=True):
            session = await self._stripe.checkout.sessions.create_async(params, {"idempotency_key": key})
        expires_at = instant(session.expires_at)
        async with self._database.single_statement() as db:
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
        log.info("payment session created", extra={"fields": {"session_id": session.id}})
        return CheckoutSession(session_id=session.id, expires_at=expires_at)

    async def _session_params(self, request: OpenSession, code: str) -> SessionCreateParams:
        async with self._database.reading() as db:
            found = await booking_with_hotel(db, request.booking_id)
            wishes = await return_addresses(db, request.return_to)
        if found is None:
            raise BookingNotFoundError(request.booking_id)
        # Every reader of the account's sessions and events sees these addresses: no token belongs in them.
        page = return_page(self._public_base_url, request.booking_id, code)
        return session_params(request, BookedStay(*found), wishes, page)

    @activity.defn(name="payments.read")
    async def read(self, question: PaymentQuestion) -> PaymentSnapshot:
        """Read a session or PaymentIntent from Stripe; store a hold's card, and a charge's disputes.

        Raises:
            ApplicationError: also `database`, it is away. Worth a retry.
        """
        if question.payment_intent_id is not None:
            intent = await self._retrieve_intent(question.payment_intent_id)
            payment = _snapshot(intent, question)
            await self._keep_details(intent, payment, about_dispute=question.about_dispute)
            return payment
        if question.session_id is None:
            return PaymentSnapshot()
        with translated_errors(write=False):
            session = await self._stripe.checkout.sessions.retrieve_async(
                question.session_id, {"expand": [f"payment_intent.{WITH_CHARGE}"]}
            )
        payment = _session_snapshot(session, question)
        if isinstance(session.payment_intent, stripe.PaymentIntent):
            await self._keep_details(session.payment_intent, payment)
        return payment

    async def _keep_details(
        self, intent: stripe.PaymentIntent, payment: PaymentSnapshot, *, about_dispute: bool = False
    ) -> None:
        """Store what staff need to know of the booking's payment. Nothing of it may enter the workflow's history."""
        is_disputed = payment.is_captured and (about_dispute or payment.disputed)
        if not payment.matches or not (payment.is_held or is_disputed):
            return
        id_ = payment.intent_id
        disputes = await read_disputes(self._stripe, id_) if is_disputed else ()
        try:
            if payment.is_held:
                async with self._database.single_statement() as db:
                    await keep_card(db, payment.booking_id, id_, payment_card(intent))
            if disputes:
                async with self._database.transaction() as db:
                    await keep_disputes(db, payment.booking_id, id_, disputes)
        except DATABASE_ERRORS as error:
            # The error's text may quote the row.
            raise ApplicationError(type(error).__name__, type="database") from None

    @activity.defn(name="payments.expire_session")
    async def expire_session(self, step: ExpireSession) -> PaymentSnapshot:
        """Close a session; if the guest completed it first, the answer shows the hold."""
        question = PaymentQuestion(
            booking_id=step.booking_id,
            session_id=step.session_id,
            amount_minor=step.amount_minor,
            currency=step.currency,
        )

        async def read() -> PaymentSnapshot:
            return await self.read(question)

        async def expire(open_: PaymentSnapshot) -> PaymentSnapshot:
            await self._stripe.checkout.sessions.expire_async(
                step.session_id,
                options={"idempotency_key": _key(step, "expire", step.session_id)},
            )
            return await read() if open_.payment_intent_id else PaymentSnapshot()

        return await _write_unless_done(read, expire, is_done=lambda payment: not payment.session_open)

    @activity.defn(name="payments.capture")
    async def capture(self, step: MoneyStep) -> PaymentSnapshot:
        """Capture a hold in full, unless it is gone, captured already or not the booking's; the answer shows which."""

        intents = self._stripe.payment_intents
        newest: stripe.PaymentIntent | None = None

        async def read() -> PaymentSnapshot:
            nonlocal newest
            with translated_errors(write=False):
                newest = await with_fee(
                    lambda fee: intents.retrieve_async(
                        step.payment_intent_id, {"expand": [WITH_CHARGE, *fee]}
                    )
                )
            return _snapshot(newest, step)

        async def capture(_held: PaymentSnapshot) -> PaymentSnapshot:
            nonlocal newest
            amount = Money(step.amount_minor, step.currency).stripe_amount
            # Stripe refuses other parameters under the same key; and it captures a hold once under any.
            newest = await with_fee(
                lambda fee: intents.capture_async(
                    step.payment_intent_id,
                    {"amount_to_capture": amount, "expand": [WITH_CHARGE, *fee]},
                    {"idempotency_key": _key(step, "capture", *([] if fee else ["without-fee"]))},
                )
            )
            return _snapshot(newest, step)

        payment = await _write_unless_done(
            read, capture, is_done=lambda payment: not (payment.is_held and payment.matches)
        )
        if payment.is_captured:
            log.info("payment captured", extra={"fields": {"payment_intent_id": step.payment_intent_id}})
            assert newest is not None
            await self._keep_fee(step.booking_id, newest)
        return payment

    async def _keep_fee(self, booking_id: str, intent: stripe.PaymentIntent) -> None:
        """Store Stripe's fee. The money is captured: if the database is away, the figures lack the fee, and no more."""
        fee = stripe_fee(intent)
        if fee is None:
            return
        try:
            async with self._database.single_statement() as db:
                await keep_fee(db, booking_id, intent.id, fee)
        except DATABASE_ERRORS as error:
            log.warning("fee not stored", extra={"fields": {"error": type(error).__name__}})

    @activity.defn(name="payments.release")
    async def release(self, step: MoneyStep) -> PaymentSnapshot:
        """Cancel a hold, unless it is gone or was captured; the answer shows which."""

        async def release(_held: PaymentSnapshot) -> PaymentSnapshot:
            # Stripe learns from it: https://docs.stripe.com/api/payment_intents/cancel. The reason is part of the key,
            # because a later decline may give another.
            reason: Literal["abandoned", "fraudulent"] = "fraudulent" if step.suspects_fraud else "abandoned"
            key = _key(step, "release", step.payment_intent_id, reason)
            intent = await self._stripe.payment_intents.cancel_async(
                step.payment_intent_id,
                {"cancellation_reason": reason, "expand": [WITH_CHARGE]},
                {"idempotency_key": key},
            )
            return _snapshot(intent, step)

        return await _write_unless_done(
            self._reader(step), release, is_done=lambda payment: not payment.is_held
        )

    @activity.defn(name="payments.refund")
    async def refund(self, step: MoneyStep) -> PaymentSnapshot:
        """Refund captured money until the refunds, by any author, add up to `amount_minor`."""
        read = self._reader(step)

        async def refund(captured: PaymentSnapshot) -> PaymentSnapshot:
            # Counted in the payment's currency, which may differ from the booking's.
            missing = step.amount_minor - captured.amount_refunded_minor
            # The amount refunded so far is part of the key: a later refund is a new one, a repeat is not.
            change = f"{captured.amount_refunded_minor}-{step.amount_minor}"
            key = _key(step, "refund", step.payment_intent_id, change)
            await self._stripe.refunds.create_async(
                {
                    "payment_intent": step.payment_intent_id,
                    "amount": to_stripe(missing, captured.currency),
                    "reason": "requested_by_customer",
                    "metadata": {"booking_id": step.booking_id},
                },
                {"idempotency_key": key},
            )
            return await read()

        # Stripe's refund may succeed and its status still change: the amount that the charge shows decides.
        return await _write_unless_done(
            read,
            refund,
            is_done=lambda payment: (
                not payment.is_captured or payment.amount_refunded_minor >= step.amount_minor
            ),
        )

    def _reader(self, step: MoneyStep) -> Callable[[], Awaitable[PaymentSnapshot]]:
        return lambda: self._read_payment(step.payment_intent_id, step)

    async def _read_payment(
        self, payment_intent_id: str, ours: PaymentQuestion | MoneyStep
    ) -> PaymentSnapshot:
        return _snapshot(await self._retrieve_intent(payment_intent_id), ours)

    async def _retrieve_intent(self, payment_intent_id: str) -> stripe.PaymentIntent:
        with translated_errors(write=False):
            return await self._stripe.payment_intents.retrieve_async(
                payment_intent_id, {"expand": [WITH_CHARGE]}
            )


def _key(step: OpenSession | ExpireSession | MoneyStep, *parts: str) -> str:
    """An idempotency key of the booking, the step and the run, but never of the attempt."""
    return ":".join(("booking", step.booking_id, *parts, step.run_id, str(step.generation)))


async def _write_unless_done(
    read: Callable[[], Awaitable[PaymentSnapshot]],
    write: Callable[[PaymentSnapshot], Awaitable[PaymentSnapshot]],
    *,
    is_done: Callable[[PaymentSnapshot], bool],
) -> PaymentSnapshot:
    """Read a payment, change it unless that is done already, and read back the result of an unclear attempt.

    Args:
        write: sends the change to the payment it gets; returns the payment afterwards.
        is_done: whether the payment needs no change, by any author.

    Raises:
        ApplicationError: Stripe refused or did not answer, and the change is not done.
    """
    payment = await read()
    if is_done(payment):
        return payment
    try:
        with translated_errors(write=True):
            return await write(payment)
    except Exception:
        # Unknown is not failed, and another author may have made the change: the payment itself shows it.
        payment = await read()
        if not is_done(payment):
            raise
        return payment


def _session_snapshot(session: stripe.checkout.Session, question: PaymentQuestion) -> PaymentSnapshot:
    is_open = session.status == "open"
    intent = session.payment_intent
    if intent is None:
        return PaymentSnapshot(session_open=is_open)
    assert isinstance(intent, stripe.PaymentIntent), "the session was read with its PaymentIntent expanded"
    return replace(_snapshot(intent, question), session_open=is_open)


def _snapshot(intent: stripe.PaymentIntent, ours: PaymentQuestion | MoneyStep) -> PaymentSnapshot:
    """Read a PaymentIntent, and say whether it is the booking's own."""
    payment = payment_snapshot(intent)
    matches = (
        intent.amount == Money(ours.amount_minor, ours.currency).stripe_amount
        and payment.currency == ours.currency
        and payment.booking_id == ours.booking_id
    )
    # The metadata of a payment that is not ours may hold anything, and this goes into a history.
    return replace(payment, matches=matches, booking_id=ours.booking_id if matches else "")
