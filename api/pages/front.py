"""The entrance pages: hotels, the staff's console, the API's documentation."""

from __future__ import annotations

from typing import Final

from fastapi.responses import Response

from api.outages import reading
from api.pages.policy import docs_headers
from api.pages.routing import page_router
from api.pages.site import ThisPage
from api.services import Api
from storage.catalogue import all_hotels

router = page_router()

_MOST_HOTELS: Final = 100


@router.get("/")
async def front(page: ThisPage, services: Api) -> Response:
    """Links to all parts of the product."""
    async with reading(services.database) as db:
        hotels = await all_hotels(db, limit=_MOST_HOTELS)
    return page.show("front.html", hotels=hotels)


@router.get("/docs")
async def docs(page: ThisPage) -> Response:
    """The API's documentation, shown by a viewer served from our own origin."""
    return page.show("docs.html", headers=docs_headers())
