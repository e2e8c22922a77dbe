"""Prefect with a server of its own, which keeps what happened in SQLite: a flow of tasks."""

import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import work

PORT = 14200
os.environ.update(
    PREFECT_HOME=f"{work.FOLDER}/prefect",
    PREFECT_API_URL=f"http://127.0.0.1:{PORT}/api",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="ERROR",
    DO_NOT_TRACK="1",
)
program = os.path.join(os.path.dirname(sys.executable), "prefect")
log = open(f"{work.FOLDER}/prefect.log", "w")
words = [program, "server", "start", "--host", "127.0.0.1", "--port", str(PORT)]
server = subprocess.Popen(words, stdout=log, stderr=log)


def healthy():
    if server.poll() is not None:
        sys.exit("the server ended: " + open(log.name).read()[-300:])
    return urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/health").status == 200


try:
    work.wait_for(healthy)
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    @task
    def one(shape, number):
        work.step(shape, number)

    @flow
    def chain(steps):
        for number in range(steps):
            one("chain", number)

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=work.LANES))
    def independent(shape, steps):
        for future in [one.submit(shape, number) for number in range(steps)]:
            future.result()

    def measure(shape, steps):
        begun = time.monotonic()
        if shape == "runs":
            runs = steps // work.STEPS_OF_A_RUN
            with ThreadPoolExecutor(runs) as pool:
                list(pool.map(chain, [work.STEPS_OF_A_RUN] * runs))
        elif shape == "chain":
            chain(steps)
        else:
            independent(shape, steps)
        return time.monotonic() - begun

    chain(1)
    work.drive(measure, server.pid)
finally:
    work.end(server)
