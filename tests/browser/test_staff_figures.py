"""A manager reads a month and saves its books; on paper, only the figures are left."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sandbox.drivers import StackClient, StaffDriver
from tests.browser.guest_pages import hold
from tests.browser.window import Window
from tests.browser.windows import Windows
from tests.whole_stack import HOTEL, PASSWORD


@pytest.mark.timeout(300)
async def test_a_month_is_read_saved_and_printed(
    windows: Windows, guest: Window, client: StackClient, tmp_path: Path
) -> None:
    booking_id = await hold(guest, client, HOTEL)
    approver = await StaffDriver.log_in(client, HOTEL, f"approver@{HOTEL}.test", PASSWORD)
    assert (await approver.approve(booking_id)).status_code == 200
    manager = await windows.staff("manager")
    page = manager.page
    await manager.go("/staff/figures/")
    await manager.is_accessible()
    await manager.press("This month", role="link")
    await manager.reads("For the accountant")
    await manager.is_accessible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Money movements (CSV)").click()
    saved = tmp_path / "money.csv"
    await (await download.value).save_as(saved)
    rows = list(csv.DictReader(saved.read_text("utf-8-sig").splitlines()))
    assert booking_id in {row["booking_id"] for row in rows}
    await page.get_by_label("Last day").fill("2000-01-01")
    await manager.press("Show")
    await manager.reads("The last day must not come before the first.")
    await manager.is_accessible()
    await page.emulate_media(media="print")
    assert not await page.get_by_role("button", name="Show").is_visible()
    assert await page.get_by_role("heading", name="Money", exact=True).is_visible()
