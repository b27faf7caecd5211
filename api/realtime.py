"""Authorizing private realtime channels: https://pusher.com/docs/channels/server_api/authorizing-users."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form

from api.auth import AnyCredentials, colleague_of
from api.errors import ProblemError, problems
from api.outages import reading
from api.schemas import ChannelIn
from api.services import Api, Services
from domain.identifiers import booking_channel, is_access_token, staff_channel
from storage.bookings import booking_in_hotel

router = APIRouter(prefix="/api/realtime", tags=["realtime"])


@router.post("/auth/", responses=problems(403, 413, 422))
async def authorize(
    services: Api, wanted: Annotated[ChannelIn, Form()], credentials: AnyCredentials
) -> dict[str, Any]:
    """Authorize a guest for their booking's channel, and staff for the channels of their hotel and its bookings."""
    token = credentials.credentials if credentials else ""
    if not token or not await may_listen(services, token, wanted.channel_name):
        raise ProblemError(403, "forbidden", "This token does not open this channel.")
    answer: dict[str, Any] = services.pusher.authenticate(wanted.channel_name, wanted.socket_id)
    return answer


async def may_listen(services: Services, token: str, channel: str) -> bool:
    """Whether a guest's or staff member's token opens a private channel."""
    booking_id = channel.removeprefix(booking_channel(""))
    if booking_id != channel and is_access_token(services.auth_secret, booking_id, token):
        return True
    colleague = await colleague_of(services, token)
    if colleague is None or colleague.needs_second_factor:
        return False
    slug = colleague.hotel.slug
    if booking_id == channel:
        return channel == staff_channel(slug)
    async with reading(services.database) as db:
        return await booking_in_hotel(db, slug, booking_id) is not None
