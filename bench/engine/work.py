"""What all drivers of peers share: how they are called, what a step does, and what they answer.

A driver is called as `DRIVER FOLDER ROUNDS PATIENCE SHAPE:STEPS...`. It starts its peer, and has it do each shape,
round after round; it begins no further round after PATIENCE seconds. For each it prints a line of JSON with the
`shape` and how many `seconds` the peer took for all steps, from being asked to saying that all is done. A shape that
cannot be done has an `error` instead.

- `chain`: each step waits for the one before it
- `fan`: independent steps, two at a time
- `outputs`: the same, and each copies a small file of its own
- `kept`: as `outputs`, when all is done already
- `runs`: so many runs at once that they have STEPS together, each a chain of ten
- `push`: one step; the time from the end of telling the peer of a new commit to the start of the step
- `idle`: no step; the line holds `mb` of memory (the proportional set size of all its processes) instead of seconds
"""

import json
import os
import signal
import subprocess
import sys
import time
import traceback

FOLDER = os.path.abspath(sys.argv[1])
ROUNDS = int(sys.argv[2])
PATIENCE = float(sys.argv[3])
ASKED = [(word.split(":")[0], int(word.split(":")[1])) for word in sys.argv[4:]]
# How many steps work at a time.
LANES = 2
# Several runs at once are of so many steps each.
STEPS_OF_A_RUN = 10
# So long a peer is left alone before its memory is looked at.
SETTLING = 5


# Whoever is told to end ends what it has started, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def end(process, patience=20):
    """Ends a peer with all that it has started."""
    family = family_of(process.pid)
    process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        pass
    for member in family:
        try:
            os.kill(member, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def step(shape, number):
    """A step is a process: `true`, or `cp` where real outputs are asked for."""
    subprocess.run(command(shape, number), check=True)


def command(shape, number):
    if shape == "outputs":
        return ["cp", f"{FOLDER}/in/{number}", f"{FOLDER}/out/{number}"]
    return ["true"]


def prepare(shape, steps):
    """The files that steps read, where they read any, and nothing of those that they make."""
    for folder in ("in", "out"):
        os.makedirs(f"{FOLDER}/{folder}", exist_ok=True)
    for name in os.listdir(f"{FOLDER}/out"):
        os.remove(f"{FOLDER}/out/{name}")
    if shape == "outputs":
        for number in range(steps):
            with open(f"{FOLDER}/in/{number}", "w") as file:
                file.write(f"the input of task {number}\n")


def check(shape, steps):
    """All outputs are there, where there are any."""
    if shape == "outputs":
        for number in range(steps):
            with open(f"{FOLDER}/out/{number}") as file:
                assert file.read() == f"the input of task {number}\n", f"output {number} is wrong"


def drive(measure, process=None):
    """Goes through all that is asked for. `measure` takes shape and steps, and returns seconds."""
    begun = time.monotonic()
    for number in range(ROUNDS):
        for shape, steps in ASKED:
            if number and (time.monotonic() - begun > PATIENCE or shape == "idle"):
                continue
            try:
                if shape == "idle":
                    time.sleep(SETTLING)
                    told = {"mb": memory_of(process)}
                else:
                    prepare(shape, steps)
                    told = {"seconds": measure(shape, steps)}
                    check(shape, steps)
            except Exception as wrong:
                traceback.print_exc()
                told = {"error": f"{type(wrong).__name__}: {wrong}"}
            print(json.dumps({"shape": shape, "steps": steps, **told}), flush=True)


def family_of(process):
    """A process and all that it has started."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parents[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    family, grown = {process}, True
    while grown:
        more = {child for child, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return family


def memory_of(process):
    """The memory of a process and all it has started, in MB; what several share is counted once."""
    kilobytes = 0
    for member in family_of(process):
        try:
            with open(f"/proc/{member}/smaps_rollup") as file:
                kilobytes += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):
            continue
    return kilobytes / 1024


def wait_for(there, patience=120.0, pause=0.05):
    """Waits until `there()` gives something; a peer that is being started tells nobody when it is ready."""
    until = time.monotonic() + patience
    while True:
        try:
            found = there()
        except OSError:
            found = None
        if found:
            return found
        if time.monotonic() > until:
            raise TimeoutError(f"not ready after {patience:.0f} s")
        time.sleep(pause)
