"""Takes screenshots of pages at the widths of a desktop and of a phone."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from PIL import Image
from playwright.async_api import ViewportSize

from sandbox.drivers import StackClient
from sandbox.stack.stack import Stack
from tests.browser.window import PHONE, Window
from tests.browser.windows import Windows

_WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
_TALLEST: Final = 1300
"""Pixels; the page below adds nothing to a picture."""
_COLOURS: Final = 256


@dataclass(frozen=True)
class Gallery:
    """A running stack, its browsers, and the folder for the pictures."""

    stack: Stack
    client: StackClient
    windows: Windows
    out: Path

    async def take(self, window: Window, name: str) -> None:
        """Photograph the page that is open."""
        for size in (_WIDE, PHONE):
            await window.page.set_viewport_size(size)
            png = await window.page.screenshot(full_page=True)
            whole = Image.open(io.BytesIO(png)).convert("RGB")
            picture = whole.crop((0, 0, whole.width, min(whole.height, _TALLEST)))
            few = picture.quantize(_COLOURS, kmeans=1, dither=Image.Dither.NONE)
            few.save(self.out / f"{name}-{size['width']}.png", optimize=True)
        await window.page.set_viewport_size(_WIDE)

    async def sql(self, statement: str, *values: Any) -> None:
        """Write a row that only time, or a defect, could have written."""
        connection = await asyncpg.connect(self.stack.database_url)
        await connection.execute(statement, *values)
        await connection.close()
