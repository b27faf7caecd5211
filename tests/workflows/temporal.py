"""The test server that skips time, and the product's own worker on it.

One worker serves test after test, as it would in production: what it has compiled and cached stays. A test that
stops the worker needs a forgetful one instead. It caches no workflow, so it replays each from the beginning at
every step, and what it leaves behind any other worker can take up: this server never takes a task back that it
has put aside for a worker's cache.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker, WorkerConfig

from dispatch import names
from dispatch.message_converter import DATA_CONVERTER
from settings import Settings
from storage.database import Database
from tests.workflows.activity_faults import ActivityFaults
from tests.workflows.sandboxed import sandboxed_runner
from worker import build_worker

IDENTITY = "workflow-tests"
_SKIPS_WITHIN_S = 3
_KEYWORD, _BOOLEAN = (
    IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
)
_SEARCH_ATTRIBUTES = {
    names.BOOKING_STATUS.name: _KEYWORD,
    names.HOTEL_SLUG.name: _KEYWORD,
    names.NEEDS_ATTENTION.name: _BOOLEAN,
}


class WorkerCachePlugin(SimplePlugin):
    """Puts the worker's workflows into the sandbox, and decides whether it caches them."""

    def __init__(self) -> None:
        super().__init__("tests.workflows.temporal.WorkerCachePlugin")
        self.forgetful = False

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Called as a worker is built."""
        config = super().configure_worker(config)
        config["workflow_runner"] = sandboxed_runner()
        if self.forgetful:
            config["max_cached_workflows"] = 0
            config["graceful_shutdown_timeout"] = timedelta(0)
        return config


class TimeSkippingServer:
    """The test server, and a client on it whose workers are intercepted.

    Args:
        program: the server's executable.
    """

    def __init__(self, program: str) -> None:
        self._program = program
        self.activity_faults = ActivityFaults()
        self.cache_plugin = WorkerCachePlugin()
        self.env: WorkflowEnvironment
        self.client: Client

    async def start(self) -> None:
        """Start a server."""
        self.env = await WorkflowEnvironment.start_time_skipping(test_server_existing_path=self._program)
        # Not the environment's own client: awaiting a result on that one lets the clock jump for years.
        self.client = await Client.connect(
            self.env.client.service_client.config.target_host,
            identity=IDENTITY,
            interceptors=[self.activity_faults],
            data_converter=replace(DATA_CONVERTER, payload_codec=self.activity_faults.lost_tasks),
            plugins=[self.cache_plugin],
        )
        await self.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=_SEARCH_ATTRIBUTES)
        )

    async def stop(self) -> None:
        """Stop the server."""
        await self.env.shutdown()

    async def is_fit(self) -> bool:
        """Whether the clock still skips.

        It never does again once a workflow was ended in the middle of something, in some cases by itself.
        """
        asleep = asyncio.create_task(self.env.sleep(timedelta(hours=1)))
        done, _ = await asyncio.wait({asleep}, timeout=_SKIPS_WITHIN_S)
        asleep.cancel()
        return bool(done)


class ProductWorker:
    """The worker of the product, while there is one."""

    def __init__(self, temporal: TimeSkippingServer, settings: Settings, database: Database) -> None:
        self._temporal = temporal
        self._settings = settings
        self._database = database
        self._worker: Worker | None = None
        self._working: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a worker runs."""
        return self._worker is not None

    async def call(self, *, forgetful: bool) -> None:
        """Let a worker of this kind be at work, on a server that is fit; the one that is there may stay."""
        is_fit = await self._temporal.is_fit()
        if is_fit and self.is_running and self._temporal.cache_plugin.forgetful is forgetful:
            return
        await self.stop()
        if not is_fit:
            logging.getLogger(__name__).warning("the test server's clock is stuck: another server is started")
            await self._temporal.stop()
            await self._temporal.start()
        self._temporal.cache_plugin.forgetful = forgetful
        self.start()

    def start(self) -> None:
        """Start a worker."""
        assert self._worker is None, "it is at work"
        self._worker = build_worker(self._settings, self._temporal.client, self._database)
        self._working = asyncio.create_task(self._worker.run())

    async def stop(self) -> None:
        """Stop the worker."""
        if self._worker is not None and self._working is not None:
            await self._worker.shutdown()
            await self._working
        self._worker = self._working = None
