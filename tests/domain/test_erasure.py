"""When a guest may be erased."""

from __future__ import annotations

import pytest

from domain.booking import ENDED, Status
from domain.erasure import reason_to_keep


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("stay_over", [False, True])
def test_a_guest_may_be_erased_once_the_booking_is_over(status: Status, *, stay_over: bool) -> None:
    over = status in ENDED or (status is Status.CONFIRMED and stay_over)
    assert (reason_to_keep(status, stay_over=stay_over) is None) == over
