"""Measures rows: every round each source of a row in turn, forwards and backwards."""
import json
import os
import tempfile

from running import apus, figures, machine, peers, sessions
from running.process import Failed, Missing
from running.rows import HIGHER, Bench, Own, Peer, Script, sources

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def title(what):
    """Who is compared with, for people."""
    if isinstance(what, Peer):
        return f"{peers.TITLES[what.name]} {what.argument}".strip()
    if isinstance(what, Own):
        return f"own {what.key}"
    return what.series.rsplit(", ", 1)[-1].split(" -")[0]


class Rows:
    """One measurement of some rows: samples of every source, a list with an entry for each round."""

    def __init__(self, program, log, rounds=5, is_smoke=False, with_peers=True, say=print):
        self.program, self.log, self.say = program, log, say
        self.rounds = 1 if is_smoke else rounds
        self.is_smoke, self.with_peers = is_smoke, with_peers
        self.tsc = machine.tsc_hertz()
        # By figure, as P2 is told as a part of P1.
        self.known = {}

    def measure(self, row):
        """The row's figures as plain data, with what could not be measured, and why."""
        figures_here = [figure for figure in row.figures if figure.in_smoke or not self.is_smoke]
        wanted = sources(row if not self.is_smoke else type(row)(row.id, row.what,
                                                                 tuple(figures_here)))
        samples = {id(source): [] for source in wanted}
        notes, checks = {}, {}
        units = self.units(row)
        with tempfile.TemporaryDirectory() as folder:
            # All of a row's peers are there at the same time.
            pages = sum(sessions.PAGES[name] for name in {
                source.name for source in wanted if self.is_measurable(source)})
            with machine.HugePages(pages):
                active = {}
                try:
                    self.take_turns(row, wanted, samples, notes, checks, units, active, folder)
                finally:
                    for session in active.values():
                        session.close()
        return {"id": row.id, "what": row.what, "figures": [
            self.outcome(row, figure, wanted, samples, notes, checks) for figure in figures_here]}

    def is_measurable(self, source):
        return isinstance(source, Peer) and self.with_peers and peers.obstacle(source.name) is None

    @staticmethod
    def units(row):
        """In which unit each source's figures are wanted, by identity."""
        wanted = {}
        for figure in row.figures:
            for source in (figure.source, *(versus.what for versus in figure.versus)):
                wanted.setdefault(id(source), figure.unit)
                wanted.setdefault(source_key(source), figure.unit)
        return wanted

    def take_turns(self, row, wanted, samples, notes, checks, units, active, folder):
        live = []
        for source in wanted:
            if isinstance(source, Own):
                continue
            if isinstance(source, Script):
                self.run_script(source, samples, notes)
                continue
            if isinstance(source, Peer) and not self.with_peers:
                notes[id(source)] = "left out (--no-peers)"
                continue
            if isinstance(source, Peer) and (why := peers.obstacle(source.name)):
                notes[id(source)] = why
                continue
            live.append(source)
        for number in range(self.rounds):
            self.program.start_round()
            for source in live if number % 2 == 0 else live[::-1]:
                self.say(f"{row.id}: round {number + 1} of {self.rounds}, {self.named(source)}")
                value = None
                if id(source) not in notes:
                    try:
                        value = self.sample(source, units[source_key(source)], active, checks, folder)
                    except (Failed, OSError) as error:
                        notes[id(source)] = str(error)
                samples[id(source)].append(value)

    def named(self, source):
        if isinstance(source, Peer):
            return title(source)
        return f"apus bench {source.name} {' '.join(source.asked(self.is_smoke)[0])}".strip()

    def sample(self, source, unit, active, checks, folder):
        if isinstance(source, Bench):
            options, select = source.asked(self.is_smoke)
            return apus.selected(self.program.results(source.name, options), source.result, select,
                                 unit, self.tsc)
        if source.name not in active:
            place = os.path.join(folder, source.name)
            os.mkdir(place)
            active[source.name] = sessions.KINDS[source.name](self.log, place, self.is_smoke)
            active[source.name].program = getattr(self.program, "path", None)
        session = active[source.name]
        if id(source) not in checks:
            checks[id(source)] = session.check(source.argument)
        value, told = session.measure(source.argument)
        return figures.converted(value, told, unit, self.tsc)

    def run_script(self, source, samples, notes):
        """All rounds of a script that interleaves by itself; once for all rows."""
        argument = {"replay": [str(100_000 if self.is_smoke else 2_000_000), str(self.rounds)],
                    "vhost": [str(self.rounds)]}[source.name]
        without = peers.obstacle("tshark")
        if source.name == "replay" and without is None:
            argument.append("--tshark")
        if source.series.startswith("tshark") and without is not None:
            notes[id(source)] = without
            return
        if source.name not in self.known:
            self.known[source.name] = self.script(source.name, [*argument, "--json"])
        told = self.known[source.name]
        if isinstance(told, Failed):
            notes[id(source)] = str(told)
        elif source.series not in told:
            notes[id(source)] = f"bench/{source.name} gives no {source.series}"
        else:
            samples[id(source)] = told[source.series]

    def script(self, name, arguments):
        why = peers.obstacle(name) if self.with_peers else "left out (--no-peers)"
        if why:
            return Missing(why)
        self.say(f"bench/{name} {' '.join(arguments)}")
        try:
            output = self.log.run([os.path.join(ROOT, "bench", name), *arguments],
                                  120 + 180 * self.rounds)
            return json.loads(output.strip().splitlines()[-1])
        except Failed as error:
            return error
        except (ValueError, IndexError):
            return Failed(f"bench/{name} printed no JSON")

    def outcome(self, row, figure, wanted, samples, notes, checks):
        def place(source):
            return next(id(other) for other in wanted if other == source)

        own = place(figure.source)
        values = samples[own]
        self.known[f"{row.id} {figure.key}"] = values
        told = {"key": figure.key, "unit": figure.unit, "better": figure.better,
                "gate": figure.gate, "goal": figure.goal, "samples": values,
                "note": notes.get(own), "versus": [], **summary(values)}
        for versus in figure.versus:
            if isinstance(versus.what, Own):
                key = versus.what.key if versus.what.key.startswith("P") else (
                    f"{row.id} {versus.what.key}")
                others = self.known.get(key)
                if others is None:
                    others = [None] * len(values)
                    note = f"{key} was not measured in this run"
                else:
                    note = None
            else:
                spot = place(versus.what)
                others, note = samples[spot], notes.get(spot)
            ratios = figures.advantages(values, others, figure.better)
            told["versus"].append({
                "who": title(versus.what), "gate": versus.gate, "goal": versus.goal, "note": note,
                "samples": others, "ratios": ratios, "ratio": figures.summary(ratios),
                "check": None if isinstance(versus.what, Own) else checks.get(place(versus.what)),
                **summary(others)})
        # What so little gives judges nothing.
        told["outcome"] = "" if self.is_smoke and told["median"] is not None else judged(told)
        return told


def source_key(source):
    """Equal for equal sources, which may be several objects."""
    return repr(source)


def summary(values):
    told = figures.summary([value for value in values if value is not None])
    return told or {"median": None, "min": None, "max": None}


def judged(figure):
    """"goal", "met", "short" (of a goal without a gate), "missed", "not measured"; "" only informs.

    Something that is demanded but was not measured is no success: it makes the figure "not measured".
    """
    demands = [(figure["median"], figure["gate"], figure["goal"], figure["better"])]
    demands += [((versus["ratio"] or {}).get("median"), versus["gate"], versus["goal"], HIGHER)
                for versus in figure["versus"]]
    demands = [demand for demand in demands if demand[1] is not None or demand[2] is not None]

    def holds(value, limit, better):
        return limit is None or (value >= limit if better == HIGHER else value <= limit)

    if figure["median"] is None:
        return "not measured"
    if not demands:
        return ""
    known = [demand for demand in demands if demand[0] is not None]
    if any(not holds(value, gate, better) for value, gate, _, better in known):
        return "missed"
    if any(value is None and gate is not None for value, gate, _, _ in demands):
        return "not measured"
    if len(known) == len(demands) and all(holds(value, goal, better)
                                          for value, _, goal, better in known):
        return "goal"
    return "met" if any(gate is not None for _, gate, _, _ in demands) else "short"
