"""DBOS with what happened in SQLite: a workflow of durable steps."""

import asyncio
import time

import work
from dbos import DBOS

DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{work.FOLDER}/dbos.sqlite",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def one(shape, number):
    work.step(shape, number)


@DBOS.workflow()
def chain(steps):
    for number in range(steps):
        one("chain", number)


@DBOS.step()
async def lane(shape, number):
    async with lanes:
        await asyncio.to_thread(work.step, shape, number)


@DBOS.workflow()
async def independent(shape, steps):
    await asyncio.gather(*(lane(shape, number) for number in range(steps)))


async def beside_one_another(shape, steps):
    global lanes
    lanes = asyncio.Semaphore(work.LANES)
    begun = time.monotonic()
    handle = await DBOS.start_workflow_async(independent, shape, steps)
    await handle.get_result()
    return time.monotonic() - begun


def measure(shape, steps):
    if shape in ("fan", "outputs"):
        return asyncio.run(beside_one_another(shape, steps))
    runs, each = (steps // work.STEPS_OF_A_RUN, work.STEPS_OF_A_RUN) if shape == "runs" else (1, steps)
    begun = time.monotonic()
    for handle in [DBOS.start_workflow(chain, each) for _ in range(runs)]:
        handle.get_result()
    return time.monotonic() - begun


DBOS.launch()
DBOS.start_workflow(chain, 1).get_result()
work.drive(measure)
DBOS.destroy()
