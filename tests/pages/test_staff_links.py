"""Links in e-mails to staff: an invitation, and a forgotten password. The mails are read from the mail server."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlmodel import col

from domain.identifiers import account_mail_workflow_id
from models import utc_now
from sandbox.drivers import wait_until
from storage.account_tables import AccountLink
from storage.catalogue import staff_with_hotel
from tests.api.hotels import PASSWORD, HotelDriver
from tests.api.stack import ApiStack
from tests.pages.page_client import PageClient, PageClients
from tests.workflows.servers import Json

ANOTHER = "another long password"


async def mails_to(stack: ApiStack, email: str, count: int = 1) -> list[Json]:
    """The mails to an address, as soon as there are so many."""

    async def look() -> list[Json]:
        found: list[Json] = await stack.stand_ins.mail.ask("GET", "/_sandbox/messages", params={"to": email})
        return found

    return await wait_until(look, lambda found: len(found) == count, what="the mail")


def link_in(mail: Json) -> str:
    """The path and query of the link in a mail."""
    [path] = re.findall(
        r"^https://hotels\.test(/staff/set-password/\?code=\S+)\s*$", mail["text"], re.MULTILINE
    )
    assert path.replace("&", "&amp;") in mail["html"]
    return str(path)


async def links_to(stack: ApiStack, email: str) -> Sequence[AccountLink]:
    async with stack.database.reading() as db:
        return (await db.scalars(select(AccountLink).where(col(AccountLink.email) == email))).all()


async def ask_for_reset(page_client: PageClient, email: str) -> str:
    """Ask at the log-in; returns what the page says, without the address."""
    await page_client.open("/staff/forgotten-password/")
    page = await page_client.send("/staff/forgotten-password/", email=email)
    return f"{page.status} {page.words.replace(email, 'THEM')}"


# --- invitations ----------------------------------------------------------------------------------------


async def test_an_invited_colleague_chooses_a_password_and_logs_in(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    email = f"new.colleague@{hotel.slug}.test"
    page = await manager.submit("/staff/people/", email=email.title(), role="approver")
    assert "Invited. A link to choose a password is on its way" in page.words
    [mail] = await mails_to(stack, email)
    assert mail["subject"] == f"Invitation to the staff console of The {hotel.slug}"
    assert "Approver: reads and decides" in mail["text"]
    path, colleague = link_in(mail), page_clients.stranger()
    for _ in range(2):
        assert (await colleague.open(path)).status == 200, "opening it uses nothing up"
    assert (await colleague.send("/staff/set-password/", password="short")).status == 422
    page = await colleague.send("/staff/set-password/", password=ANOTHER)
    assert page.location == "/staff/log-in/?set=yes"
    assert "Your password is set." in (await colleague.open(page.location)).words
    assert (await colleague.log_in(email, ANOTHER)).status == 303
    assert "/staff/people/" not in (await colleague.open("/staff/")).links, "the role is the chosen one"
    again = await colleague.open(path)
    assert (again.status, "This link no longer works" in again.words) == (404, True)
    assert email in (await manager.open("/staff/people/")).words
    assert "Withdraw" not in (await manager.open("/staff/people/")).words


async def test_only_a_hash_of_the_code_is_kept_and_no_history_names_anybody(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    email = f"hashed@{hotel.slug}.test"
    await manager.submit("/staff/people/", email=email, role="viewer")
    [mail] = await mails_to(stack, email)
    code = link_in(mail).partition("code=")[2]
    [link] = await links_to(stack, email)
    assert code not in str(link.model_dump())
    assert link.expires_at - link.created_at == timedelta(hours=48)
    handle = stack.temporal.get_workflow_handle(account_mail_workflow_id(link.link_id))
    await handle.result()
    history = (await handle.fetch_history()).to_json()
    assert link.link_id in history or "ActivityTaskCompleted" in history
    assert code not in history
    assert email not in history


async def test_a_withdrawn_a_replaced_and_an_old_invitation_open_nothing(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    email, stranger = f"three.times@{hotel.slug}.test", page_clients.stranger()
    for count in (1, 2):
        await manager.submit("/staff/people/", email=email, role="viewer")
        await mails_to(stack, email, count)
    first, second = [link_in(mail) for mail in await mails_to(stack, email, 2)]
    assert (await stranger.open(first)).status == 404, "replaced"
    assert (await stranger.open(second)).status == 200
    async with stack.database.transaction() as db:
        await db.execute(
            update(AccountLink).where(col(AccountLink.email) == email).values(expires_at=utc_now())
        )
    late = await stranger.send("/staff/set-password/", password=ANOTHER)
    assert (late.status, "This link no longer works" in late.words) == (404, True)
    await manager.submit("/staff/people/", email=email, role="viewer")
    third = link_in((await mails_to(stack, email, 3))[2])
    assert (await stranger.open(third)).status == 200
    [link] = await links_to(stack, email)
    await manager.open("/staff/people/")
    page = await manager.send(f"/staff/people/invitations/{link.link_id}/withdraw/")
    assert "Withdrawn." in (await manager.open(page.location)).words
    assert (await stranger.send("/staff/set-password/", password=ANOTHER)).status == 404
    assert (await stranger.log_in(email, ANOTHER)).status == 401


async def test_an_invitation_is_accepted_once_also_by_two_at_once(
    manager: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    email = f"twice@{hotel.slug}.test"
    await manager.submit("/staff/people/", email=email, role="viewer")
    path = link_in((await mails_to(stack, email))[0])
    both = [page_clients.stranger() for _ in range(2)]
    for each in both:
        await each.open(path)
    pages = await asyncio.gather(
        *(each.send("/staff/set-password/", password=f"{ANOTHER} {n}") for n, each in enumerate(both))
    )
    assert sorted(page.status for page in pages) == [303, 404]


@pytest.mark.parametrize("change", [{"role": "viewer", "active": "yes"}, {"role": "manager", "active": "no"}])
async def test_invitations_of_someone_who_no_longer_manages_end(
    manager: PageClient,
    viewer: PageClient,
    page_clients: PageClients,
    hotel: HotelDriver,
    stack: ApiStack,
    change: dict[str, str],
) -> None:
    async with stack.database.reading() as db:
        found = await staff_with_hotel(db, f"viewer@{hotel.slug}.test")
    assert found is not None
    path, stranger = f"/staff/people/{found[0].id}/", page_clients.stranger()
    await manager.submit(path, role="manager", active="yes")
    await viewer.log_in(found[0].email)
    email, other = f"back.door@{hotel.slug}.test", f"colleague@{hotel.slug}.test"
    await viewer.submit("/staff/people/", email=email, role="manager")
    await manager.submit("/staff/people/", email=other, role="viewer")
    await stranger.open(link_in((await mails_to(stack, email))[0]))
    await manager.submit(path, **change)
    assert (await stranger.send("/staff/set-password/", password=ANOTHER)).status == 404
    assert not await links_to(stack, email)
    assert await links_to(stack, other), "those of others stay"


async def test_a_mail_server_that_is_away_gets_the_invitation_later(
    manager: PageClient, hotel: HotelDriver, stack: ApiStack
) -> None:
    email = f"patient@{hotel.slug}.test"
    await stack.stand_ins.mail.order(f"RCPT {email}", "error_before", status=451)
    page = await manager.submit("/staff/people/", email=email, role="viewer")
    assert "Invited" in page.words
    [mail] = await mails_to(stack, email)
    assert link_in(mail)


# --- a forgotten password -------------------------------------------------------------------------------


async def test_a_forgotten_password_is_reset_by_a_link_that_works_once(
    approver: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    email, person = f"approver@{hotel.slug}.test", page_clients.stranger()
    assert "/staff/forgotten-password/" in (await person.open("/staff/log-in/")).links
    await ask_for_reset(person, email.upper())
    [mail] = await mails_to(stack, email)
    assert mail["subject"] == f"Reset your password - The {hotel.slug}"
    assert (await approver.open("/staff/")).status == 200, "asking ends nothing"
    await person.open(link_in(mail))
    assert (await person.send("/staff/set-password/", password=ANOTHER)).status == 303
    assert (await approver.open("/staff/")).status == 303, "other log-ins have ended"
    assert (await person.open(link_in(mail))).status == 404
    assert (await page_clients.stranger().log_in(email)).status == 401
    assert (await page_clients.stranger().log_in(email, ANOTHER)).status == 303


async def test_nobody_learns_which_addresses_have_an_account(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Unknown and closed accounts get the same page, and no mail."""
    known, closed = f"manager@{hotel.slug}.test", f"viewer@{hotel.slug}.test"
    unknown = f"nobody@{hotel.slug}.test"
    async with stack.database.transaction() as db:
        found = await staff_with_hotel(db, closed)
        assert found is not None
        found[0].active = False
    person = page_clients.stranger()
    said = [await ask_for_reset(person, email) for email in (unknown, closed, known)]
    assert said[0] == said[1] == said[2]
    assert said[0].startswith("200 ")
    await mails_to(stack, known)
    for email in (unknown, closed):
        [link] = await links_to(stack, email)
        await stack.temporal.get_workflow_handle(account_mail_workflow_id(link.link_id)).result()
        assert await mails_to(stack, email, 0) == []


async def test_resets_are_limited_for_an_address_and_for_a_client(
    page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    """Known and unknown addresses alike."""
    most = stack.settings.rate_limit_reset_per_hour
    for email in (f"viewer@{hotel.slug}.test", f"nobody@{hotel.slug}.test"):
        said = [await ask_for_reset(page_clients.stranger(), email) for _ in range(most + 1)]
        assert [each[:3] for each in said] == ["200"] * most + ["429"], "an hour may have turned"
    person = page_clients.stranger()
    said = [
        await ask_for_reset(person, f"{secrets.token_hex(4)}@{hotel.slug}.test") for _ in range(3 * most + 1)
    ]
    assert [each[:3] for each in said] == ["200"] * 3 * most + ["429"]
    assert "Too many password resets" in said[-1]


async def test_a_changed_password_ends_a_reset_that_is_on_its_way(
    approver: PageClient, page_clients: PageClients, hotel: HotelDriver, stack: ApiStack
) -> None:
    email, person = f"approver@{hotel.slug}.test", page_clients.stranger()
    await ask_for_reset(person, email)
    path = link_in((await mails_to(stack, email))[0])
    await approver.open("/staff/account/")
    await approver.send("/staff/account/password/", current=PASSWORD, password=ANOTHER)
    assert (await person.open(path)).status == 404


@pytest.mark.parametrize("email", ["nobody", "a@b", "x" * 400, "\x00@example.com"])
async def test_addresses_that_are_none_are_told(page_clients: PageClients, email: str) -> None:
    said = await ask_for_reset(page_clients.stranger(), email)
    assert said.startswith("422")
    assert "Enter an e-mail address" in said


@pytest.mark.parametrize("code", ["", "x", "é", "%ED%A0%80", "A" * 43])
async def test_codes_that_are_none_open_nothing(page_clients: PageClients, code: str) -> None:
    page = await page_clients.stranger().open(f"/staff/set-password/?code={code}")
    assert (page.status, "This link no longer works" in page.words) == (404, True)
