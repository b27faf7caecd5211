"""The handover of a booking to its workflow's next run, before the history grows too long to replay."""

from __future__ import annotations

from dataclasses import replace

from domain.booking import Status
from domain.messages.starts import BookingTerms, Continuation
from workflows.booking_context import BookingContext
from workflows.decision_phase import DecisionPhase
from workflows.payment_phase import PaymentPhase
from workflows.stay_phase import StayPhase


def terms_of_next_run(
    context: BookingContext, payment: PaymentPhase, decision: DecisionPhase | None, stay: StayPhase
) -> BookingTerms:
    """The input of the next run: the booking's terms with this run's whole state.

    Args:
        decision: None before a hold was placed, and in a run that began after the decision.
    """
    state, queue, notifications = context.state, context.message_queue, context.notifications
    is_under_decision = state.status is Status.PENDING_APPROVAL
    continuation = Continuation(
        status=state.status,
        reason_code=state.reason_code,
        payment_intent_id=state.payment_intent_id,
        refunded_minor=state.refunded_minor,
        refund_due_minor=state.refund_due_minor,
        paid_elsewhere=state.paid_elsewhere,
        cancellation_counts_from=state.cancellation_counts_from,
        sold_out=state.is_giving_up_hold,
        attention=state.attention,
        waiting_for=state.waiting_for,
        unreturned_payments=tuple(state.unreturned_payments.values()),
        received_ids=queue.received_ids,
        outcomes=queue.outcomes,
        unsent_mailings=notifications.unsent_mailings,
        unsent_publications=notifications.unsent_publications,
        failed_mailings=notifications.failed_mailings,
        payment=payment.progress,
        hold=decision.progress if decision and is_under_decision else None,
        pending_cancellation=stay.pending_cancellation,
    )
    return replace(context.terms, version=state.version, resume=None, continuation=continuation)
