"""`apus bench` as a source of figures."""
import json
import os

from running import figures, machine
from running.process import Failed, Missing

# Those that keep to one thread are pinned beside nobody; the others place their threads themselves.
PLACED = ("workers", "latency", "push", "isolation")
SECONDS = 300


class Program:
    """A release build of apus, and what its benchmarks said in this round."""

    def __init__(self, path, log):
        self.path, self.log = path, log
        self.names = None
        self.round = {}

    def has(self, name):
        """Whether the benchmark is there: the help lists each by name."""
        if self.names is None:
            text = self.log.run([self.path, "bench", "--help"], 30)
            values = text.split("(values:", 1)[-1].split(")", 1)[0]
            self.names = {word.strip() for word in values.replace("\n", " ").split(",")}
        return name in self.names

    def start_round(self):
        self.round = {}

    def results(self, name, options):
        """The results of one run; in a round, the same command runs once."""
        if not os.path.exists(self.path):
            raise Missing(f"{self.path} is not there (swift build -c release --product apus)")
        if not self.has(name):
            raise Missing(f"apus bench {name} is not there")
        argv = [self.path, "bench", name, *options, "--runs", "1", "--json"]
        if name not in PLACED:
            argv = ["taskset", "-c", str(machine.last_processor()), *argv]
        key = tuple(argv)
        if key not in self.round:
            try:
                self.round[key] = json.loads(self.log.run(argv, SECONDS))
            except ValueError as error:
                raise Failed(f"apus bench {name}: no JSON: {error}") from error
        return self.round[key]


def selected(results, name, select, unit, tsc):
    """The one figure of that name and with those parameters, in the wanted unit.

    Raises Failed where there is none, and Missing where it is there without a sample.
    """
    wanted = " ".join([name, *(f"{key} {value}" for key, value in select.items())])
    told = set()
    for result in results:
        if result["name"] != name or any(result["parameters"].get(key) != value
                                         for key, value in select.items()):
            continue
        if result.get("runs", 1) == 0:
            raise Missing(f"{wanted} has no sample, as something else had the processor")
        # A unit may tell more, such as the rate of which something is a part.
        told.add(result["unit"])
        try:
            return figures.converted(result["value"], result["unit"].split(" of ")[0], unit, tsc)
        except ValueError:
            continue
    raise Failed(f"apus bench gives no figure {wanted} in {unit}"
                 + (f", but in {', '.join(sorted(told))}" if told else ""))
