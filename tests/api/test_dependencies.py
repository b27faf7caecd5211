"""What a request depends on is found on the event loop: a plain function would take a thread each time."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from api import app


def calls_of(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for needed in dependant.dependencies:
        yield from calls_of(needed)


def test_no_request_takes_a_thread() -> None:
    """FastAPI runs whatever is not a coroutine function in a thread pool; a class is only a form's own."""
    routes = [
        route
        for router in (*app._API_ROUTERS, *app._PAGE_ROUTERS)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    assert routes
    plain = {
        call
        for route in routes
        for call in calls_of(route.dependant)
        if inspect.isfunction(call) and not inspect.iscoroutinefunction(call)
    }
    assert plain == set()
