"""`reconcile`: compare Stripe, database and workflows now, without waiting for the Schedule."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from domain.booking import Status
from domain.timestamps import rfc3339
from management.showing import console, table
from management.tools import FAILED, Tools, say, tools_of
from models import utc_now
from reconciliation.findings import FindingOutcome
from reconciliation.run_queries import findings_of
from reconciliation.runs import LOOK_BACK_DAYS, LOOK_BACK_LONGEST_DAYS, Batch, Plan, StartedBy, Tally
from storage.tables import ReconciliationFinding
from worker import build_reconciliation


def reconcile(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    since_days: Annotated[
        int,
        typer.Option(
            min=1, max=LOOK_BACK_LONGEST_DAYS, help="Days to look back for ended bookings and payments."
        ),
    ] = LOOK_BACK_DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report findings without healing them.")] = False,
    after_restore: Annotated[
        bool,
        typer.Option(
            "--after-restore",
            help="Release holds of bookings that the restored database does not know, and compare each row with its "
            "workflow's history.",
        ),
    ] = False,
) -> None:
    """Compare Stripe, the database and the workflows for every open and recently ended booking.

    Safe findings are healed: a lost workflow is started again, a workflow receives a payment it does not know,
    an open payment page is closed, a row that is older than its workflow is rewritten. The others are reported. A
    Schedule does the same every 15 minutes; each run is recorded in the database. May be repeated.

    Exit status: 0 all agree, or all findings are healed; 1 findings need attention (in a dry run: there
    are findings); 3 a service is away.
    """
    tools = tools_of(context)
    plan = Plan(
        run_id=str(uuid.uuid4()),
        started_at=utc_now(),
        started_by=StartedBy.OPERATOR,
        since_days=since_days,
        dry_run=dry_run,
        after_restore=after_restore,
    )
    tally, found = tools.run(_run(tools, plan))
    if as_json:
        say(json.dumps(_document(plan, tally, found), indent=2))
    else:
        _print(plan, tally, found)
    if tally.left or tally.planned:
        raise typer.Exit(FAILED)


async def _run(tools: Tools, plan: Plan) -> tuple[Tally, Sequence[ReconciliationFinding]]:
    client = await tools.temporal()
    async with tools.database() as database, tools.stripe() as stripe:
        work = build_reconciliation(tools.settings, client, database, stripe)
        await work.begin(plan)
        after: int | None = 0
        while after is not None:
            after = (await work.compare(Batch(plan, after))).next_after
        tally = await work.finish(plan)
        async with database.transaction() as db:
            return tally, await findings_of(db, plan.run_id)


def _document(plan: Plan, tally: Tally, found: Sequence[ReconciliationFinding]) -> dict[str, Any]:
    return {
        "run_id": plan.run_id,
        "started_at": rfc3339(plan.started_at),
        "since": rfc3339(plan.since),
        "dry_run": plan.dry_run,
        "compared": {
            "bookings": tally.bookings,
            "payments": tally.payments,
            "open_pages": tally.open_pages,
            "unprocessed_events": tally.events,
        },
        "found": tally.found,
        "healed": tally.healed,
        "planned": tally.planned,
        "left": tally.left,
        "findings": [
            {
                "booking_id": row.booking_id or None,
                "status": Status(row.status) if row.status else None,
                "kind": row.kind,
                "subject": row.subject or None,
                "remedy": row.remedy,
                "outcome": row.outcome,
                "detail": row.detail,
                "found_at": rfc3339(row.found_at),
            }
            for row in found
        ],
    }


_IN_WORDS = {
    FindingOutcome.HEALED: "healed",
    FindingOutcome.PLANNED: "would be healed",
    FindingOutcome.LEFT: "left for you",
}


def _print(plan: Plan, tally: Tally, found: Sequence[ReconciliationFinding]) -> None:
    compared = (
        f"Compared {tally.bookings} bookings, {tally.payments} payments, {tally.open_pages} open payment pages "
        f"since {plan.since:%Y-%m-%d %H:%M} UTC"
    )
    if not found:
        say(f"{compared}: Stripe, database and workflows agree.")
        return
    columns = ("booking", "status", "finding", "about", "outcome", "detail")
    rows = (
        (
            row.booking_id or "–",
            row.status or "–",
            row.kind.replace("_", " "),
            row.subject or "–",
            _IN_WORDS[FindingOutcome(row.outcome)],
            row.detail,
        )
        for row in found
    )
    console().print(table("Findings", columns, rows))
    say(f"{compared}: {tally.healed} healed, {tally.planned} to be healed, {tally.left} left for you.")
    if tally.left:
        say("What to do about each: docs/runbook.md, 'Reconciliation'.")
