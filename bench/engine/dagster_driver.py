"""Dagster with its event log in SQLite: a job of ops, in the process that asks for it.

That is the cheapest of its executors; the one it takes by default starts a process for each op. Memory is that of its
daemon alone, without the web server.
"""

import logging
import os
import subprocess
import sys
import time

import work

os.environ["DAGSTER_HOME"] = home = f"{work.FOLDER}/dagster"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.makedirs(home, exist_ok=True)
with open(f"{home}/dagster.yaml", "w") as file:
    file.write("telemetry:\n  enabled: false\npython_logs:\n  python_log_level: ERROR\n")

import dagster  # noqa: E402  it reads its home when it is imported


def job(shape, steps):
    chained = shape == "chain"

    def made(number):
        @dagster.op(name=f"step_{number}", ins={"before": dagster.In(dagster.Nothing)} if chained and number else {})
        def one():
            work.step(shape, number)

        return one

    ops = [made(number) for number in range(steps)]

    @dagster.graph
    def all_of_them():
        before = None
        for number, op in enumerate(ops):
            before = op(before) if chained and number else op()

    return all_of_them.to_job(name="bench")


DEFINITIONS = """import dagster

@dagster.op
def one():
    pass

@dagster.job
def bench():
    one()

defs = dagster.Definitions(jobs=[bench])
"""

daemon = None
if any(shape == "idle" for shape, _ in work.ASKED):
    with open(f"{work.FOLDER}/definitions.py", "w") as file:
        file.write(DEFINITIONS)
    program = os.path.join(os.path.dirname(sys.executable), "dagster-daemon")
    log = open(f"{work.FOLDER}/dagster.log", "w")
    daemon = subprocess.Popen([program, "run", "-f", f"{work.FOLDER}/definitions.py"], stdout=log, stderr=log)
    work.SETTLING = 15

with dagster.DagsterInstance.get() as instance:

    def execute(made):
        begun = time.monotonic()
        # What it says of every event would be most of the output.
        assert made.execute_in_process(instance=instance).success
        return time.monotonic() - begun

    execute(job("chain", 1))
    try:
        work.drive(lambda shape, steps: execute(job(shape, steps)), daemon and daemon.pid)
    finally:
        if daemon:
            work.end(daemon)
