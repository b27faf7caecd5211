"""When a guest may be erased."""

from __future__ import annotations

import pytest

from domain.booking import ENDED, Status
from domain.erasure import reason_to_keep


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("checked_in", [False, True])
def test_a_guest_may_be_erased_once_the_booking_is_over(status: Status, *, checked_in: bool) -> None:
    over = status in ENDED or (status is Status.CONFIRMED and checked_in)
    assert (reason_to_keep(status, checked_in=checked_in) is None) == over
