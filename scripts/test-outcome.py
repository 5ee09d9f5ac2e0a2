"""Prints the outcome of a test run, and exits 1 unless all of it went well.

    test-outcome.py EVENTS FAILED-STEPS
    test-outcome.py --again EVENTS

EVENTS is the event stream of Swift Testing, JSON Lines, of one run or of several after each other;
FAILED-STEPS has a line for each step that failed. A test that began and never ended, as in a crash,
has failed. Where a test ran several times, its last run counts, and the outcome names it.

With --again: prints one regular expression, for `swift test --filter`, of the tests that did not
pass, whether they failed or a crash kept them from starting; nothing when all passed.
"""

import json
import re
import sys


def read_events(path):
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the last line of a process that died


def is_failure(payload):
    issue = payload.get("issue", {})
    return not issue.get("isKnown", False) and issue.get("isFailure", True)


def reason_of(payload):
    texts = [message.get("text", "") for message in payload.get("messages", [])]
    parts = [text.split("skipped: ", 1)[1] for text in texts if "skipped: " in text]
    return parts[0] if parts else "no reason given"


def text_of(payload):
    """What an issue says and where, on one line that a log can hold."""
    where = payload.get("issue", {}).get("sourceLocation", {})
    place = f"{where.get('fileID', '?')}:{where.get('line', '?')}"
    texts = [message.get("text", "") for message in payload.get("messages", [])]
    text = " ".join(" ".join(texts).split())
    return f"{place}: {text[:400]}"


class Outcome:
    """What became of each test, by its identifier."""

    def __init__(self, path):
        self.names, self.skipped, self.loose = {}, {}, 0
        self.faults = {}
        self.started, self.ended, self.failed, self.repeated = set(), set(), set(), set()
        for record in read_events(path):
            payload = record.get("payload", {})
            if record.get("kind") == "test":
                if payload.get("kind") == "function":
                    module = payload["id"].split(".", 1)[0]
                    name = payload.get("displayName", payload["name"])
                    self.names[payload["id"]] = f"{module}: {name}"
            else:
                self.note(payload.get("kind"), payload.get("testID"), payload)
        self.failed |= self.started - self.ended - set(self.skipped)
        self.passed = self.ended - self.failed - set(self.skipped)

    def note(self, kind, test, payload):
        if kind == "issueRecorded" and is_failure(payload):
            if test in self.names:
                self.failed.add(test)
                self.faults.setdefault(test, []).append(text_of(payload))
            else:
                self.loose += 1
        elif test not in self.names:
            return
        elif kind == "testStarted":
            if test in self.started:
                self.repeated.add(test)
                self.failed.discard(test)
                self.ended.discard(test)
            self.started.add(test)
        elif kind == "testEnded":
            self.ended.add(test)
        elif kind in ("testSkipped", "testCancelled"):
            self.skipped[test] = reason_of(payload)

    def lines(self, what, tests, remark=lambda test: ""):
        for test in sorted(tests, key=self.names.get):
            print(f"{what:8} {self.names[test]}{remark(test)}")
            for fault in self.faults.get(test, [])[:3]:
                print(f"         {fault}")


def print_filter(events_path):
    outcome = Outcome(events_path)
    left = set(outcome.names) - outcome.passed - set(outcome.skipped)
    # An identifier ends with the place in the source, "/File.swift:12:3", which a filter does not see.
    parts = sorted(re.escape(re.sub(r"/[^/]*\.swift:\d+:\d+$", "", test)) for test in left)
    if parts:
        print("^(" + "|".join(parts) + ")")
    return 0


def main(events_path, steps_path):
    outcome = Outcome(events_path)
    with open(steps_path, encoding="utf-8") as lines:
        steps = [line.strip() for line in lines]
    # The step that ran the tests fails with them; it counts only when no test accounts for it.
    if outcome.failed or outcome.loose:
        steps = [step for step in steps if not step.startswith("tests ")]
    if not outcome.started and not steps:
        steps.append("tests (none ran)")

    outcome.lines("skipped", outcome.skipped, lambda test: f" ({outcome.skipped[test]})")
    outcome.lines("repeated", outcome.repeated & outcome.passed, lambda _: " (failed before it passed)")
    outcome.lines(
        "failed", outcome.failed, lambda test: "" if test in outcome.ended else " (did not end)"
    )
    for step in steps:
        print(f"failed   {step}")
    if outcome.loose:
        print(f"failed   {outcome.loose} issues outside of any test")
    failures = len(outcome.failed) + len(steps) + outcome.loose
    print(f"{len(outcome.passed)} passed, {failures} failed, {len(outcome.skipped)} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.argv[1] == "--again":
        sys.exit(print_filter(sys.argv[2]))
    sys.exit(main(*sys.argv[1:]))
