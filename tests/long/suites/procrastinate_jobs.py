"""
procrastinate 0.17.0 at work, by its own API: what an app with this queue sends to its database.

Run by `recorded_suites.py` in a venv of its own: the package's sdist holds no tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import procrastinate
import pytest
from procrastinate import exceptions, jobs

Use = Callable[[procrastinate.App], Awaitable[None]]


def work(use: Use) -> list[str]:
    """A fresh app with its tasks; what ran is told."""
    told: list[str] = []
    app = procrastinate.App(connector=procrastinate.AiopgConnector())

    def send(to: str) -> None:
        told.append(to)

    def fail() -> None:
        raise ValueError("on purpose")

    def again() -> None:
        told.append("again")
        raise ValueError("on purpose")

    app.task(queue="mail", name="send")(send)
    app.task(queue="mail", name="fail")(fail)
    app.task(queue="mail", name="again", retry=procrastinate.RetryStrategy(max_attempts=2))(again)

    async def run() -> None:
        async with app.open_async():
            await app.connector.execute_query_async("TRUNCATE procrastinate_jobs CASCADE")
            await use(app)

    asyncio.run(run())
    return told


async def worked(app: procrastinate.App) -> None:
    await app.run_worker_async(wait=False, listen_notify=False)


def test_a_job_is_done() -> None:
    async def use(app: procrastinate.App) -> None:
        await app.configure_task("send").defer_async(to="ann")
        await worked(app)

    assert work(use) == ["ann"]


def test_a_job_that_fails_and_one_that_is_tried_again() -> None:
    async def use(app: procrastinate.App) -> None:
        await app.configure_task("fail").defer_async()
        await app.configure_task("again").defer_async()
        await worked(app)
        statuses = sorted(one["status"] for one in await app.admin.list_jobs_async())
        assert statuses == ["failed", "failed"]

    assert work(use) == ["again"] * 3


def test_later_and_locked() -> None:
    async def use(app: procrastinate.App) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        await app.configure_task("send", schedule_at=later, lock="one").defer_async(to="late")
        await app.configure_task("send", queueing_lock="two").defer_async(to="once")
        with pytest.raises(exceptions.AlreadyEnqueued):
            await app.configure_task("send", queueing_lock="two").defer_async(to="twice")
        await worked(app)

    assert work(use) == ["once"]


def test_a_periodic_job_is_deferred_once() -> None:
    async def use(app: procrastinate.App) -> None:
        send = app.tasks["send"]
        assert await app.job_manager.defer_periodic_job(send, 1_600_000_000)
        assert await app.job_manager.defer_periodic_job(send, 1_600_000_000) is None

    work(use)


def test_stalled_jobs_and_old_ones() -> None:
    async def use(app: procrastinate.App) -> None:
        await app.configure_task("send").defer_async(to="x")
        job = await app.job_manager.fetch_job(["mail"])
        assert job is not None
        assert list(await app.job_manager.get_stalled_jobs(nb_seconds=0))
        await app.job_manager.finish_job(job, jobs.Status.SUCCEEDED)
        await app.job_manager.delete_old_jobs(nb_hours=0)
        await app.job_manager.delete_old_jobs(nb_hours=0, queue="mail", include_error=True)
        assert not list(await app.admin.list_jobs_async())

    work(use)


def test_what_an_administrator_sees() -> None:
    async def use(app: procrastinate.App) -> None:
        number = await app.configure_task("send").defer_async(to="x")
        assert await app.job_manager.check_connection()
        assert await app.admin.list_jobs_async(queue="mail", task="send", status="todo")
        assert await app.admin.list_queues_async(queue="mail")
        assert await app.admin.list_tasks_async(status="todo")
        await app.admin.set_job_status_async(number, "failed")

    work(use)
