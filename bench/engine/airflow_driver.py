"""Airflow as `airflow standalone` starts it: with SQLite, and a process for each task.

What is measured lies between the start and the end of the run of a DAG, as Airflow records them.
"""

import os
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

import work

HOME = f"{work.FOLDER}/airflow"
PORT = "18793"
os.environ.update(
    AIRFLOW_HOME=HOME,
    AIRFLOW__CORE__LOAD_EXAMPLES="false",
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="false",
    AIRFLOW__CORE__PARALLELISM=str(work.LANES),
    AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG=str(work.LANES),
    AIRFLOW__API__PORT=PORT,
    AIRFLOW__API__WORKERS="1",
    AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT="60",
    AIRFLOW__API__BASE_URL=f"http://localhost:{PORT}",
    NO_PROXY="*",
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://localhost:{PORT}/execution/",
    AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL="5",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
    PATH=os.path.dirname(sys.executable) + ":" + os.environ["PATH"],
)
PROGRAM = os.path.join(os.path.dirname(sys.executable), "airflow")

DAG = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

SHAPES = {shapes!r}

for shape, count in SHAPES.items():
    with DAG(dag_id=shape, schedule=None, catchup=False) as dag:
        before = None
        for number in range(count):
            words = f"cp {folder}/in/{{number}} {folder}/out/{{number}}" if shape == "outputs" else "true"
            task = BashOperator(task_id=f"s{{number}}", bash_command=words)
            if before is not None and shape in ("chain", "runs"):
                before >> task
            before = task
    globals()[shape] = dag
"""

os.makedirs(f"{HOME}/dags")
shapes = {shape: work.STEPS_OF_A_RUN if shape == "runs" else steps for shape, steps in work.ASKED if shape != "idle"}
with open(f"{HOME}/dags/bench.py", "w") as file:
    file.write(DAG.format(shapes=shapes, folder=work.FOLDER))
log = open(f"{work.FOLDER}/airflow.log", "w")
server = subprocess.Popen([PROGRAM, "standalone"], stdout=log, stderr=log)


def ask(query, *values):
    with sqlite3.connect(f"file:{HOME}/airflow.db?mode=ro", uri=True, timeout=30) as database:
        return database.execute(query, values).fetchall()


def known():
    if server.poll() is not None:
        sys.exit("it ended: " + open(log.name).read()[-400:])
    try:
        return len(ask("SELECT dag_id FROM serialized_dag")) >= len(shapes)
    except sqlite3.Error:
        return False


def ended(shape, runs):
    rows = ask("SELECT start_date, end_date, state FROM dag_run WHERE dag_id = ? AND end_date IS NOT NULL", shape)
    return rows if len(rows) >= runs else None


def measure(shape, steps):
    runs = steps // work.STEPS_OF_A_RUN if shape == "runs" else 1
    before = len(ask("SELECT run_id FROM dag_run WHERE dag_id = ?", shape))
    for _ in range(runs):
        subprocess.run([PROGRAM, "dags", "trigger", shape], check=True, stdout=log, stderr=log)
    rows = work.wait_for(lambda: ended(shape, before + runs), 600, 0.2)[before:]
    assert all(state == "success" for _, _, state in rows), rows
    times = [[datetime.fromisoformat(text) for text in row[:2]] for row in rows]
    return (max(end for _, end in times) - min(start for start, _ in times)).total_seconds()


try:
    work.wait_for(known, 180, 0.5)
    work.SETTLING = 10
    work.drive(measure, server.pid)
finally:
    work.end(server)
