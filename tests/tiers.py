"""Which tests `make test` leaves to `make test-slow`.

The quick ones show every part at work within a few minutes: each row of the status table on the real stack, each
endpoint, most pages, two browsers. The slow ones go on where that ends: crashes, outages, races, fuzzing, every page
under the accessibility checker, every way for a step on money to fail. Before a change is merged both run.
"""

from __future__ import annotations

from typing import Final

import pytest

_SLOW: Final = (
    "tests/activities/test_payments_faults.py",
    "tests/activities/test_payments_races.py",
    "tests/api/test_log_in.py::test_guess",
    "tests/api/test_decisions.py",
    "tests/api/test_floods.py::test_a_crowd",
    "tests/api/test_floods.py::test_a_flood",
    "tests/api/test_floods.py::test_page_is_found",
    "tests/api/test_fuzz.py",
    "tests/api/test_list.py::test_by_text",
    "tests/api/test_list.py::test_pages",
    "tests/api/test_outages.py",
    "tests/api/test_pacing.py::test_a_crowd",
    "tests/api/test_pacing.py::test_a_flood",
    "tests/api/test_pacing.py::test_one_clients",
    "tests/api/test_payment.py::test_asking_too_often",
    "tests/api/test_payment.py::test_every_payment_status",
    "tests/api/test_races.py",
    "tests/browser/",
    "tests/dispatch/test_sweep.py::test_several_pages",
    "tests/dispatch/test_sweep.py::test_stripe_is_away",
    "tests/e2e/test_e2e_crashes.py",
    "tests/e2e/test_e2e_temporal_ui.py",
    "tests/loss/",
    "tests/management/test_booking.py",
    "tests/management/test_claims.py",
    "tests/management/test_check.py::test_what_is_not_set_up_right",
    "tests/management/test_comparison.py",
    "tests/management/test_guest.py",
    "tests/management/test_reconcile",
    "tests/management/test_services.py",
    "tests/pages/test_guest_booking.py",
    "tests/pages/test_guest_cancel.py",
    "tests/pages/test_staff_attention.py",
    "tests/pages/test_staff_decide.py",
    "tests/pages/test_staff_figures.py::test_days_long_past_are_not_counted",
    "tests/pages/test_staff_figures.py::test_figures_count_what_happened",
    "tests/pages/test_staff_queue.py",
    "tests/reconciliation/test_combinations.py",
    "tests/sandbox/test_mail_smtp.py::test_messages_survive_a_kill",
    "tests/sandbox/test_pusher_http.py::test_messages_survive_a_kill",
    "tests/sandbox/test_stripe_control.py::test_start_without_an_endpoint",
    "tests/sandbox/test_stripe_webhooks.py::test_deliveries_survive_a_kill",
    "tests/stack/test_last_room.py",
    "tests/stack/test_processes.py::test_two_of_each",
    "tests/stack/test_run.py",
    "tests/storage/test_schema.py::test_a_migration_that_must_wait",
    "tests/storage/test_schema.py::test_migrations_can_be_taken_back",
    "tests/storage/test_schema.py::test_upgrades_at_once",
    "tests/workflows/",
)
"""Beginnings of test ids."""

_QUICK_ALL_THE_SAME: Final = (
    "tests/activities/test_payments_faults.py::test_with_a_fault[capture-500 after the effect]",
    "tests/activities/test_payments_faults.py::test_with_a_fault[release-500 after the effect]",
    "tests/activities/test_payments_races.py::test_what_is_not_the_bookings_is_released_and_never_captured",
    "tests/api/test_decisions.py::test_approve",
    "tests/api/test_decisions.py::test_decline_without_a_reason",
    "tests/api/test_decisions.py::test_reasons_that_are_none",
    "tests/api/test_decisions.py::test_the_guest_cancels",
    "tests/browser/test_guest.py::test_from_asking_to_the_refund",
    "tests/browser/test_staff.py::test_a_cancellation_shows_the_refund_first",
    "tests/browser/test_staff.py::test_a_colleague_who_was_quicker_is_named",
    "tests/browser/test_staff.py::test_a_decline_is_previewed",
    "tests/browser/test_staff.py::test_a_request_appears_by_itself_and_is_approved",
    "tests/browser/test_staff.py::test_deadlines_arrive_by_themselves",
    "tests/management/test_guest.py::test_erase_removes_the_guest_and_keeps_the_books",
    "tests/pages/test_guest_cancel.py::test_a_hotel_that_changes_its_terms_alters_nothing_for_a_booking",
    "tests/pages/test_staff_decide.py::test_another_hotels_booking_is_not_found",
    "tests/pages/test_staff_decide.py::test_roles_are_kept",
    "tests/pages/test_staff_queue.py::test_a_long_list_has_pages_without_gaps",
    "tests/workflows/test_deadlines.py::test_approval_after_capture_before_never_confirms",
    "tests/workflows/test_deadlines.py::test_without_capture_before_the_shortest_hold_is_assumed",
    "tests/workflows/test_duplicates.py::test_cancellation_refused_during_a_capture_stays_refused",
    "tests/workflows/test_duplicates.py::test_dispute_delivered_twice_is_recorded_once",
    "tests/workflows/test_early_and_late.py::test_hold_on_a_dead_booking_is_released",
    "tests/workflows/test_happy.py",
    "tests/workflows/test_replay.py",
)


def is_slow(test_id: str) -> bool:
    """Whether a test is left to `make test-slow`."""
    return test_id.startswith(_SLOW) and not test_id.startswith(_QUICK_ALL_THE_SAME)


def mark_slow(items: list[pytest.Item]) -> None:
    """Mark what is slow, so that `-m slow` and `-m "not slow"` choose."""
    for item in items:
        if is_slow(item.nodeid):
            item.add_marker(pytest.mark.slow)
