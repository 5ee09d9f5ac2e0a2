#!/usr/bin/env python3
"""Checks what bench/run and bench/compare do with figures: statistics, judgement, tables, plots, rows."""
import contextlib
import importlib.machinery
import io
import json
import os
import random
import signal
import sys
import tempfile
import types
import unittest
import unittest.mock
import xml.etree.ElementTree

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

from running import (apus, captures, figures, inputs, machine, measuring, peers, plots,  # noqa: E402
                     process, report, rows, sessions, thresholds)


def noisy(base, noise, count, seed):
    chance = random.Random(seed)
    return [base * (1 + chance.uniform(-noise, noise)) for _ in range(count)]


class Statistics(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(figures.summary([3, 1, 2, 10]), {"median": 2.5, "min": 1, "max": 10})
        self.assertIsNone(figures.summary([]))

    def test_advantages_follow_the_direction(self):
        self.assertEqual(figures.advantages([100], [500], "lower"), [5])
        self.assertEqual(figures.advantages([10], [5], "higher"), [2])

    def test_advantages_leave_out_rounds_without_a_pair(self):
        self.assertEqual(figures.advantages([1, None, 2, 0], [2, 2, None, 4], "lower"), [2])

    def test_interval_holds_the_median_about_as_often_as_it_says(self):
        chance, held = random.Random(3), 0
        for seed in range(100):
            samples = [chance.gauss(10, 1) for _ in range(15)]
            low, high = figures.interval(samples, draws=300, seed=seed)
            held += low <= 10 <= high
        self.assertGreaterEqual(held, 88)
        self.assertLess(held, 100)

    def test_interval_is_the_same_for_the_same_samples(self):
        samples = noisy(1, 0.1, 9, 1)
        self.assertEqual(figures.interval(samples), figures.interval(samples))

    def test_units(self):
        self.assertAlmostEqual(figures.converted(100, "cycles/packet", "Mpps", 2e9), 20)
        self.assertAlmostEqual(figures.converted(20, "Mpps", "cycles/packet", 2e9), 100)
        self.assertAlmostEqual(figures.converted(5_000_000, "flows/s", "M flows/s", 2e9), 5)
        self.assertAlmostEqual(figures.converted(80_000, "us", "ms", 2e9), 80)
        with self.assertRaises(ValueError):
            figures.converted(1, "bytes", "us", 2e9)


class Regressions(unittest.TestCase):
    """A planted slowdown has to be found, and none where there is none."""

    def compare(self, slower, noise, better="lower", percent=3, pairs=10, seed=1):
        chance = random.Random(seed)
        # The machine's own speed changes for both of a pair alike, by a factor of two.
        speeds = [chance.uniform(1, 2) for _ in range(pairs)]
        before = [speed * value for speed, value in zip(speeds, noisy(100, noise, pairs, seed + 100))]
        factor = slower if better == "lower" else 1 / slower
        after = [speed * value * factor
                 for speed, value in zip(speeds, noisy(100, noise, pairs, seed + 200))]
        return figures.is_regression(figures.change(before, after, better), percent)

    def test_planted_regressions_are_found(self):
        for better in ("lower", "higher"):
            found = [self.compare(1.08, 0.02, better, seed=seed) for seed in range(30)]
            self.assertEqual(sum(found), 30, better)

    def test_nothing_is_found_where_nothing_changed(self):
        found = [self.compare(1, 0.02, seed=seed) for seed in range(60)]
        self.assertEqual(sum(found), 0)

    def test_below_the_threshold_is_none(self):
        self.assertFalse(self.compare(1.02, 0.001, percent=3))
        self.assertTrue(self.compare(1.02, 0.001, percent=1))

    def test_faster_is_none(self):
        self.assertFalse(self.compare(0.8, 0.01))

    def test_chance_is_none(self):
        # The median is beyond the threshold, the interval is not on one side.
        change = figures.change([100] * 7, [120, 90, 110, 80, 110, 95, 110], "lower")
        self.assertGreater(change["median"], 1.05)
        self.assertLessEqual(change["low"], 1)
        self.assertFalse(figures.is_regression(change, 5))

    def test_few_pairs_prove_nothing(self):
        self.assertFalse(figures.is_regression(figures.change([100] * 5, [150] * 5, "lower"), 5))
        self.assertTrue(figures.is_regression(figures.change([100] * 6, [150] * 6, "lower"), 5))

    def test_the_whole_way_from_programs_to_the_exit(self):
        """bench/compare between programs that answer as told, one of them 10 % slower."""
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("fast", "slow")]
            for path, cycles in zip(paths, (100, 110)):
                with open(path, "w") as file:
                    file.write("#!/bin/bash\n[ \"$2\" != --help ] || { echo '(values: pipeline)'; exit; }\n"
                               f"echo '[{{\"name\":\"pipeline\",\"unit\":\"cycles/packet\",\"value\":{cycles},"
                               "\"runs\":1,\"parameters\":{\"flows\":\"'$4'\"}}]'\n")
                os.chmod(path, 0o755)
            fast, slow = paths
            for own, other, status in ((slow, fast, 1), (fast, slow, 0), (fast, fast, 0)):
                log = process.Log()
                argv = [os.path.join(ROOT, "bench", "compare"), "--own", own, "--program", other, "P1",
                        "--rounds", "6"]
                text = log.run(argv, 60, check=False)
                self.assertEqual(log.commands[-1]["status"], status, text)
                self.assertEqual("SLOWER" in text, status == 1, text)


class Thresholds(unittest.TestCase):
    def test_the_committed_file(self):
        with open(os.path.join(ROOT, "bench", "thresholds")) as file:
            limits = thresholds.parsed(file.read())
        known = {row.id for row in rows.ROWS} | {"default"}
        self.assertLessEqual(set(limits), known)

    def test_rows_without_a_line_have_the_default(self):
        limits = thresholds.parsed("default 5\nP1 3 # cycles\n")
        self.assertEqual(thresholds.percent(limits, "P1"), 3)
        self.assertEqual(thresholds.percent(limits, "P2"), 5)

    def test_nonsense_is_refused_with_its_line(self):
        for text, line in (("default 5\nP1\n", 2), ("Q1 3\n", 1), ("default 5\n\nP1 -1", 3), ("P1 x", 1)):
            with self.assertRaisesRegex(ValueError, f"line {line}"):
                thresholds.parsed(text)
        with self.assertRaisesRegex(ValueError, "no default"):
            thresholds.parsed("P1 3")


class Rows(unittest.TestCase):
    def test_all_are_there_in_order(self):
        self.assertEqual([row.id for row in rows.ROWS], [f"P{number}" for number in range(1, 20)])

    def test_choice(self):
        self.assertEqual([row.id for row in rows.chosen(["p9", "P2"])], ["P2", "P9"])
        self.assertEqual(len(rows.chosen([])), 19)
        with self.assertRaisesRegex(ValueError, "P20"):
            rows.chosen(["P1", "P20"])

    def test_goals_are_no_weaker_than_gates(self):
        for row in rows.ROWS:
            for figure in row.figures:
                if figure.gate is not None and figure.goal is not None:
                    better = figure.goal <= figure.gate if figure.better == "lower" else (
                        figure.goal >= figure.gate)
                    self.assertTrue(better, f"{row.id} {figure.key}")
                for versus in figure.versus:
                    if versus.gate is not None and versus.goal is not None:
                        self.assertGreaterEqual(versus.goal, versus.gate, f"{row.id} {figure.key}")

    def test_what_a_row_refers_to_is_there(self):
        keys = {f"{row.id} {figure.key}" for row in rows.ROWS for figure in row.figures}
        for row in rows.ROWS:
            for source in rows.sources(row):
                if isinstance(source, rows.Own):
                    name = source.key if source.key.startswith("P") else f"{row.id} {source.key}"
                    self.assertIn(name, keys)
                if isinstance(source, rows.Peer):
                    self.assertIn(source.name, sessions.KINDS)
                    self.assertIn(source.name, peers.NEEDS)


class Judgement(unittest.TestCase):
    def judged(self, value, gate=None, goal=None, better="lower", versus=()):
        return measuring.judged({"median": value, "gate": gate, "goal": goal, "better": better, "versus": [
            {"ratio": None if ratio is None else {"median": ratio}, "gate": low, "goal": high}
            for ratio, low, high in versus]})

    def test_words(self):
        self.assertEqual(self.judged(80, 140, 85), "goal")
        self.assertEqual(self.judged(100, 140, 85), "met")
        self.assertEqual(self.judged(141, 140, 85), "missed")
        self.assertEqual(self.judged(4, 2, 4.5, "higher"), "met")
        self.assertEqual(self.judged(3, None, 0.5), "short")
        self.assertEqual(self.judged(3), "")
        self.assertEqual(self.judged(None, 1), "not measured")
        self.assertEqual(self.judged(0, 0, 0), "goal")

    def test_every_demand_counts(self):
        self.assertEqual(self.judged(80, 140, 85, versus=[(4.9, 5, 9)]), "missed")
        self.assertEqual(self.judged(80, 140, 85, versus=[(6, 5, 9)]), "met")
        self.assertEqual(self.judged(80, 140, 85, versus=[(9.5, 5, 9)]), "goal")

    def test_a_peer_that_was_not_there_is_no_success(self):
        self.assertEqual(self.judged(80, 140, 85, versus=[(None, 5, 9)]), "not measured")
        self.assertEqual(self.judged(150, 140, 85, versus=[(None, 5, 9)]), "missed")
        self.assertEqual(self.judged(80, 140, 85, versus=[(None, None, 9)]), "met")


class Selection(unittest.TestCase):
    RESULTS = [{"name": "workers", "unit": "Mpps", "value": 8, "runs": 1, "parameters": {"workers": "2"}},
               {"name": "workers", "unit": "times one", "value": 1.7, "runs": 1,
                "parameters": {"workers": "2"}},
               {"name": "latency-p50", "unit": "us", "value": 0, "runs": 0, "parameters": {}},
               {"name": "push-dip", "unit": "% of 5.5 Mpps", "value": 1, "runs": 9, "parameters": {}}]

    def select(self, name, unit, **select):
        return apus.selected(self.RESULTS, name, select, unit, 2e9)

    def test_by_name_parameters_and_unit(self):
        self.assertEqual(self.select("workers", "times one", workers="2"), 1.7)
        self.assertEqual(self.select("workers", "Mpps", workers="2"), 8)
        self.assertEqual(self.select("push-dip", "%"), 1)

    def test_what_is_not_there_is_told(self):
        with self.assertRaisesRegex(process.Failed, "no figure workers workers 3"):
            self.select("workers", "Mpps", workers="3")
        with self.assertRaises(process.Missing):
            self.select("latency-p50", "us")


class FakeProgram:
    """apus with one benchmark, whose figures are told in advance."""

    def __init__(self, values):
        self.values = iter(values)

    def start_round(self):
        pass

    def results(self, name, options):
        if name != "pipeline":
            raise process.Missing(f"apus bench {name} is not there")
        return [{"name": name, "unit": "cycles/packet", "value": next(self.values), "runs": 1,
                 "parameters": {"flows": options[1]}}]


class Measuring(unittest.TestCase):
    def measure(self, name, values, rounds=3):
        run = measuring.Rows(FakeProgram(values), process.Log(), rounds, with_peers=False,
                             say=lambda text: None)
        return run.measure(rows.chosen([name])[0])

    def test_rounds_and_own_ratios(self):
        # Forwards, backwards, forwards: 1k, 1M, 10M, 32M.
        told = self.measure("P2", [100, 160, 200, 250, 250, 200, 160, 100, 100, 160, 200, 250])
        medians = [figure["median"] for figure in told["figures"]]
        self.assertEqual(medians, [100, 160, 200, 250])
        self.assertAlmostEqual(told["figures"][1]["versus"][0]["ratio"]["median"], 0.625)
        self.assertEqual([figure["outcome"] for figure in told["figures"]], ["", "met", "met", "met"])

    def test_a_benchmark_that_is_not_there_is_named(self):
        told = self.measure("P12", [])
        self.assertEqual(told["figures"][0]["note"], "apus bench limiter is not there")
        self.assertEqual(told["figures"][0]["outcome"], "not measured")

    def test_a_peer_that_is_not_installed_is_named_with_its_package(self):
        why = peers.obstacle("ovs", has_program=lambda name: None, version=lambda name: None, user=0)
        self.assertIn("openvswitch-switch-dpdk", why)
        there = peers.obstacle("ovs", has_program=lambda name: name, version=lambda name: "1", user=0)
        self.assertIsNone(there)
        self.assertIn("root", peers.obstacle(
            "ovs", has_program=lambda name: name, version=lambda name: "1", user=1000))


def result():
    """A result of P1 and P9 with figures, as a run writes it."""
    run = measuring.Rows(FakeProgram([100, 110, 120]), process.Log(), 1, with_peers=False,
                         say=lambda text: None)
    measured = [run.measure(row) for row in rows.chosen(["P1", "P9"])]
    versus = measured[0]["figures"][0]["versus"][0]
    versus.update(samples=[600], median=600, min=590, max=610, note=None,
                  ratio={"median": 6, "min": 5.9, "max": 6.1})
    return {"date": "2026-01-02T03:04:05+00:00", "rounds": 1, "rows": measured,
            "machine": {"model": "a processor", "processors": 2, "tscHertz": 2e9, "kernel": "6.1"},
            "commit": {"commit": "0123456789", "dirty": True}}


class Reports(unittest.TestCase):
    def test_table_has_a_line_for_every_figure(self):
        told = result()
        lines = report.table(told["rows"]).split("\n")
        self.assertEqual(len(lines), 2 + 3 + 4)
        self.assertEqual({line.replace("\\|", "").count("|") for line in lines}, {len(report.HEADS) + 1})
        self.assertIn("100 (100 to 100)", lines[2])
        self.assertIn("OVS-DPDK 1000: 600 (590 to 610)", lines[2])
        self.assertIn("6 (5.90 to 6.10)", lines[2])

    def test_section_is_replaced_and_nothing_else(self):
        text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
        new = report.replaced(text, report.section(result(), [("words", "/x/gates.svg")]))
        self.assertTrue(new.startswith("before\n") and new.endswith("after\n"))
        self.assertNotIn("old", new)
        self.assertIn("0123456789 with changes", new)
        self.assertIn("![words](results/gates.svg)", new)
        self.assertEqual(report.replaced(new, report.section(result(), [("words", "/x/gates.svg")])), new)
        with self.assertRaises(ValueError):
            report.replaced("no marks", "")

    def test_the_page_has_every_row_with_its_limits(self):
        with open(os.path.join(ROOT, "bench", "README.md")) as file:
            text = file.read()
        section = text[text.index(report.BEGIN):text.index(report.END)]
        for row in rows.ROWS:
            for figure in row.figures:
                if figure.gate is None and figure.goal is None:
                    continue
                lines = [line for line in section.split("\n")
                         if line.startswith(f"| {row.id} |") and f": {figure.key} |" in line]
                self.assertEqual(len(lines), 1, f"{row.id} {figure.key}")
                if figure.gate is not None:
                    self.assertIn(report.bound(figure.gate, figure.better), lines[0])

    def test_figures_are_short(self):
        self.assertEqual([report.short(value) for value in (None, 0.0123, 1.234, 12.34, 1234.5, 5.0)],
                         ["", "0.012", "1.23", "12.3", "1,234", "5"])

    def test_plots_are_pictures_with_every_entry(self):
        drawn = plots.drawn(result()["rows"])
        self.assertEqual([name for name, _, _ in drawn], ["pipeline.svg", "gates.svg"])
        for _, words, picture in drawn:
            root = xml.etree.ElementTree.fromstring(picture)
            self.assertTrue(root.get("aria-label"))
            texts = [node.text for node in root.iter() if node.tag.endswith("text")]
            self.assertTrue(any("1000 flows" in text for text in texts), words)

    def test_in_plots_right_is_better(self):
        found = {label: middle for label, middle, *_ in plots.demands(result()["rows"])}
        self.assertAlmostEqual(found["P1 1000 flows"], 1.4)
        self.assertAlmostEqual(found["P1 1000 flows, x OVS-DPDK 1000"], 1.2)


class Interrupted(unittest.TestCase):
    """Ctrl-C after one row of two."""
    def run_until(self, rows_measured):
        loader = importlib.machinery.SourceFileLoader("bench_run", os.path.join(ROOT, "bench", "run"))
        program = types.ModuleType("bench_run")
        program.__file__ = loader.path
        loader.exec_module(program)

        class Rows:
            rounds = 1
            measured = []

            def __init__(self, *_):
                pass

            def measure(self, row):
                if len(self.measured) == rows_measured:
                    raise KeyboardInterrupt
                self.measured.append(row)
                return report.unmeasured([row])[0]

        program.measuring = types.SimpleNamespace(Rows=Rows)
        with tempfile.TemporaryDirectory() as folder:
            program.RESULTS = folder
            with unittest.mock.patch.object(sys, "argv", ["run", "P6", "P12", "--record", "--program", "/bin/true"]), \
                    contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
                status = program.main()
            written = [os.path.join(path, name) for path, _, names in os.walk(folder) for name in names]
            results = []
            for path in written:
                if path.endswith(".json"):
                    with open(path) as file:
                        results.append(json.load(file))
            return status, told.getvalue(), [os.path.relpath(path, folder) for path in written], results

    def test_keeps_the_rows_that_are_whole_beside_the_recorded_ones(self):
        status, told, written, results = self.run_until(1)
        self.assertEqual(status, 130)
        self.assertIn("with 1 of 2 rows", told)
        self.assertTrue(all(path.startswith("local/") for path in written), written)
        self.assertEqual([[row["id"] for row in result["rows"]] for result in results], [["P6"]])

    def test_writes_nothing_without_a_row(self):
        status, told, written, _ = self.run_until(0)
        self.assertEqual((status, written), (130, []))
        self.assertIn("nothing is written", told)

    def tearDown(self):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Inputs(unittest.TestCase):
    def test_rules_and_headers(self):
        made = inputs.access_rules(500)
        self.assertEqual(len(set(made)), 500)
        self.assertEqual(made, inputs.access_rules(500))
        matches = [inputs.first_match(made, packet) for packet in inputs.headers(made, 300)]
        self.assertNotIn(None, matches)
        self.assertGreater(len(set(matches)), 100)
        self.assertIsNone(inputs.first_match(made, (0, 0, 1, 1, 132)))

    def test_the_first_of_two_rules_counts(self):
        both = [(0x0A000000, 8, 0, 1, 80, 80, 6), (0x0A000000, 8, 0, 1, 0, 65_535, 6)]
        self.assertEqual(inputs.first_match(both, (0x0A010203, 5, 9, 80, 6)), 0)
        self.assertEqual(inputs.first_match(both, (0x0A010203, 5, 9, 81, 6)), 1)

    def test_access_lists_are_read_as_written(self):
        made = inputs.access_rules(100)
        trace = inputs.headers(made, 50)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("rules", "traces")]
            inputs.write_access_list(made, trace, *paths)
            self.assertEqual(inputs.read_access_list(*paths), (made, trace))
            with open(paths[0], "w") as file:
                file.write("@10.0.0.0/8 0.0.0.0/0 0 : 65535 0 : 65535 0/0\n")
            rules, _ = inputs.read_access_list(*paths)
            self.assertEqual(inputs.first_match(rules, (0x0A000001, 5, 9, 80, 17)), 0)
            self.assertIsNone(inputs.first_match(rules, (0x0B000001, 5, 9, 80, 17)))

    def test_routes(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, name) for name in ("routes", "lookups")]
            for family, bits in (("ipv4", 32), ("ipv6", 128)):
                count = inputs.write_routes(family, 1_000, 50, *paths)
                with open(paths[0]) as file:
                    lines = [line.split() for line in file]
                self.assertEqual(len({prefix for prefix, _ in lines}), count)
                self.assertGreater(count, 950)
                self.assertTrue(all(0 < int(prefix.split("/")[1]) <= bits for prefix, _ in lines))
                with open(paths[1]) as file:
                    self.assertEqual(len(file.readlines()), 50)

    def test_captures(self):
        frames = [captures.datagram(bytes(4), bytes(4), (1, port)) for port in range(3)]
        self.assertEqual({len(frame) for frame in frames}, {64})
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "capture")
            captures.write(path, frames)
            self.assertEqual(captures.read(path), frames)


class Machine(unittest.TestCase):
    def test_described(self):
        told = machine.described()
        self.assertGreater(told["tscHertz"], 1e8)
        self.assertLess(told["tscHertz"], 1e10)
        self.assertGreater(told["processors"], 0)

    def test_programs_are_bounded_in_time(self):
        log = process.Log()
        with self.assertRaisesRegex(process.Failed, "not done"):
            log.run(["sleep", "30"], 0.2)
        self.assertEqual(log.commands[0]["command"], "sleep 30")
        with self.assertRaisesRegex(process.Failed, "exit status 1"):
            log.run(["false"], 5)

    def test_hash_lookup(self):
        self.assertEqual(sessions.hash_lookup(
            "Keysize  Add  Lookup  Lookup_bulk  Delete\n8 90 50 40 80\n16 102 99 77 90\n16 102 99 66 90\n"), 66)
        with self.assertRaises(process.Failed):
            sessions.hash_lookup("RTE>>")


if __name__ == "__main__":
    unittest.main()
