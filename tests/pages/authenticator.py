"""Someone's authenticator app: it has a secret, and shows codes."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp

from models import utc_now
from tests.api.hotels import PASSWORD
from tests.pages.page_client import PageClient, PageContent

SECOND_FACTOR = "/staff/account/second-factor/"


class Authenticator:
    """An app that shows each code once: a code that has counted counts no more."""

    def __init__(self, page: PageContent) -> None:
        [key] = re.findall(r'<span class="mono key">([A-Z2-7 ]+)</span>', page.html)
        self.totp = pyotp.TOTP(key.replace(" ", ""))
        self._steps_ahead = 0

    def code(self) -> str:
        """A code not shown before: the present one, then the next one, which is valid already."""
        shown = self.totp.at(utc_now() + timedelta(seconds=30 * self._steps_ahead))
        self._steps_ahead += 1
        assert self._steps_ahead <= 2, "more codes than are valid at once"
        return shown

    def wrong_code(self) -> str:
        """A code of another day."""
        return self.totp.at(utc_now() - timedelta(days=1))


async def set_up(page_client: PageClient) -> tuple[Authenticator, list[str]]:
    """Set a second factor up for someone who is logged in; returns the app and the recovery codes."""
    app = Authenticator(await page_client.open(SECOND_FACTOR))
    page = await page_client.send(SECOND_FACTOR, otp=app.code(), current=PASSWORD)
    assert page.status == 200, page.words
    codes = re.findall(r"<li>([0-9A-Z]{5}-[0-9A-Z]{5})</li>", page.html)
    assert len(set(codes)) == 10
    return app, codes
