"""Luigi with its local scheduler: a task for each step, each with a file that says it is done."""

import time

import luigi
import work


class Step(luigi.Task):
    shape = luigi.Parameter()
    number = luigi.IntParameter()

    def requires(self):
        return [Step(self.shape, self.number - 1)] if self.shape == "chain" and self.number else []

    def output(self):
        return luigi.LocalTarget(f"{work.FOLDER}/out/{self.number}")

    def run(self):
        work.step(self.shape, self.number)
        if self.shape != "outputs":
            with open(self.output().path, "w"):
                pass


class All(luigi.WrapperTask):
    shape = luigi.Parameter()
    steps = luigi.IntParameter()

    def requires(self):
        return [Step(self.shape, number) for number in range(self.steps)]


def build(shape, steps):
    begun = time.monotonic()
    workers = 1 if shape == "chain" else work.LANES
    assert luigi.build([All(shape, steps)], local_scheduler=True, workers=workers, log_level="ERROR")
    return time.monotonic() - begun


def measure(shape, steps):
    if shape == "kept":
        for number in range(steps):
            with open(f"{work.FOLDER}/out/{number}", "w"):
                pass
    return build(shape, steps)


work.drive(measure)
