"""Buildbot with its local worker and SQLite: a build of shell commands.

Builds are asked for by `buildbot sendchange`, one branch for each shape; several runs at once are as many builders
that all hear of one change. What is measured lies between the start of the first step and the end of the last: both
write the time down.
"""

import os
import subprocess
import sys
import time

import work

PORT = 19989
MASTER = f"{work.FOLDER}/master"
PROGRAM = os.path.join(os.path.dirname(sys.executable), "buildbot")

CONFIGURATION = """
import os
import time
from buildbot.plugins import changes, schedulers, steps, util, worker
from buildbot.process import buildstep, results

FOLDER = {folder!r}
SHAPES = {shapes!r}
RUNS = {runs}


class Mark(buildstep.BuildStep):
    def __init__(self, name, **more):
        super().__init__(name=name, **more)
        self.path = name

    def run(self):
        run = self.build.getProperty("revision")
        path = f"{{FOLDER}}/marks/{{run}}-{{self.path}}-{{self.build.builder.name}}"
        with open(path + ".draft", "w") as file:
            file.write(str(time.time()))
        os.rename(path + ".draft", path)
        return results.SUCCESS


def factory(count, command):
    made = util.BuildFactory()
    made.addStep(Mark("begin"))
    for number in range(count):
        made.addStep(steps.ShellCommand(name=f"s{{number}}", command=command(number), workdir=FOLDER, haltOnFailure=True))
    made.addStep(Mark("end"))
    return made


def words(shape):
    if shape == "outputs":
        return lambda number: ["cp", f"in/{{number}}", f"out/{{number}}"]
    return lambda number: ["true"]


def names(shape):
    return [f"runs{{number}}" for number in range(RUNS)] if shape == "runs" else [shape]


c = BuildmasterConfig = {{
    "workers": [worker.LocalWorker("here", max_builds=2)],
    "protocols": {{"pb": {{"port": "tcp:{port}:interface=127.0.0.1"}}}},
    "change_source": [changes.PBChangeSource(user="bench", passwd="bench")],
    "schedulers": [
        schedulers.AnyBranchScheduler(
            name=shape,
            builderNames=names(shape),
            treeStableTimer=None,
            change_filter=util.ChangeFilter(branch_re=f"{{shape}}-.*"),
        )
        for shape in SHAPES
    ],
    "builders": [
        util.BuilderConfig(
            name=name,
            workernames=["here"],
            collapseRequests=False,
            factory=factory(count, words(shape)),
        )
        for shape, count in SHAPES.items()
        for name in names(shape)
    ],
    "db": {{"db_url": "sqlite:///state.sqlite"}},
    "buildbotNetUsageData": None,
    "title": "bench",
}}
"""

os.makedirs(MASTER)
os.makedirs(f"{work.FOLDER}/marks")
log = open(f"{work.FOLDER}/buildbot.log", "w")
subprocess.run([PROGRAM, "create-master", MASTER], check=True, stdout=log, stderr=log)
shapes = {shape: {"runs": work.STEPS_OF_A_RUN, "push": 1}.get(shape, steps) for shape, steps in work.ASKED if shape != "idle"}
shapes["warm"] = 1
runs = next((steps // work.STEPS_OF_A_RUN for shape, steps in work.ASKED if shape == "runs"), 0)
with open(f"{MASTER}/master.cfg", "w") as file:
    file.write(CONFIGURATION.format(folder=work.FOLDER, shapes=shapes, runs=runs, port=PORT))
words = [PROGRAM, "start", "--nodaemon", MASTER]
master = subprocess.Popen(words, stdout=log, stderr=log)
numbers = iter(range(1, 1_000_000))


def change(shape, number):
    words = [PROGRAM, "sendchange", "--master", f"127.0.0.1:{PORT}", "--auth", "bench:bench", "--who", "bench"]
    words += ["--branch", f"{shape}-{number}", "--revision", f"{shape}{number}", "file"]
    subprocess.run(words, check=True, stdout=log, stderr=log)


def marks(run, name, count):
    folder = f"{work.FOLDER}/marks"
    there = [entry for entry in os.listdir(folder) if entry.startswith(f"{run}-{name}-") and "draft" not in entry]
    return [float(open(f"{folder}/{entry}").read()) for entry in there] if len(there) == count else None


def measure(shape, steps):
    number = next(numbers)
    run = f"{shape}{number}"
    change(shape, number)
    told = time.time()
    count = steps // work.STEPS_OF_A_RUN if shape == "runs" else 1
    last = max(work.wait_for(lambda: marks(run, "end", count), 600, 0.02))
    first = min(marks(run, "begin", count))
    # A build may begin before the command that tells of the change has ended.
    return max(0.0, first - told) if shape == "push" else last - first


def ready():
    if master.poll() is not None:
        sys.exit("the master ended: " + open(log.name).read()[-400:])
    return "BuildMaster is running" in open(f"{MASTER}/twistd.log").read()


try:
    work.wait_for(ready)
    measure("warm", 1)
    work.drive(measure, master.pid)
finally:
    # Told to end it waits for its worker, which is in the same process, for long.
    work.end(master, 2)
