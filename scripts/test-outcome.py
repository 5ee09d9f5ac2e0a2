"""Prints the outcome of a test run, and exits 1 unless all of it went well.

    test-outcome.py EVENTS FAILED-STEPS

EVENTS is the event stream of Swift Testing, JSON Lines; FAILED-STEPS has a line for each step that
failed. A test that began and never ended, as in a crash, has failed.
"""

import json
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


def main(events_path, steps_path):
    names, started, ended, failed, skipped, loose = {}, set(), set(), set(), {}, 0
    for record in read_events(events_path):
        payload = record.get("payload", {})
        if record.get("kind") == "test":
            if payload.get("kind") == "function":
                module = payload["id"].split(".", 1)[0]
                names[payload["id"]] = f'{module}: {payload.get("displayName", payload["name"])}'
            continue
        kind, test = payload.get("kind"), payload.get("testID")
        if kind == "issueRecorded" and is_failure(payload):
            if test in names:
                failed.add(test)
            else:
                loose += 1
        elif test not in names:
            continue
        elif kind == "testStarted":
            started.add(test)
        elif kind == "testEnded":
            ended.add(test)
        elif kind in ("testSkipped", "testCancelled"):
            skipped[test] = reason_of(payload)
    failed |= started - ended - set(skipped)
    passed = ended - failed - set(skipped)

    with open(steps_path, encoding="utf-8") as lines:
        steps = [line.strip() for line in lines]
    # The step that ran the tests fails with them; it counts only when no test accounts for it.
    if failed or loose:
        steps = [step for step in steps if not step.startswith("tests ")]
    if not started and not steps:
        steps.append("tests (none ran)")

    for test in sorted(skipped, key=names.get):
        print(f"skipped  {names[test]} ({skipped[test]})")
    for test in sorted(failed, key=names.get):
        print(f"failed   {names[test]}{'' if test in ended else ' (did not end)'}")
    for step in steps:
        print(f"failed   {step}")
    if loose:
        print(f"failed   {loose} issues outside of any test")
    failures = len(failed) + len(steps) + loose
    print(f"{len(passed)} passed, {failures} failed, {len(skipped)} skipped")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
