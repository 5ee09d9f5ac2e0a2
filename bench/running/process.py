"""Runs programs for a bounded time, and keeps what was run."""
import os
import shlex
import signal
import subprocess
import time


class Failed(Exception):
    """A measurement that could not be made, and why."""


class Missing(Failed):
    """A program or benchmark that is not there: a named skip, no failure."""


class Log:
    """Every command line, with how long it took and how it ended."""

    def __init__(self):
        self.commands = []

    def note(self, argv, began, status):
        self.commands.append({"command": shlex.join(argv), "status": status,
                              "seconds": round(time.monotonic() - began, 3)})

    def run(self, argv, seconds, feed=None, check=True, folder=None):
        """Standard output of a program that ends by itself.

        Beyond `seconds` it is ended with what it started. Raises Failed for that, for an exit status
        other than zero, and where there is no such program.
        """
        began = time.monotonic()
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE if feed is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                cwd=folder, start_new_session=True)
        except OSError as error:
            raise Failed(f"{argv[0]}: {error.strerror}") from error
        try:
            output, errors = process.communicate(feed, timeout=seconds)
        except BaseException as error:
            end_group(process)
            self.note(argv, began, "ended")
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"{shlex.join(argv)}: not done after {seconds} s") from error
            raise
        self.note(argv, began, process.returncode)
        if check and process.returncode != 0:
            text = (errors or output).strip()[-600:]
            raise Failed(f"{shlex.join(argv)}: exit status {process.returncode}: {text}")
        return output


def end_group(process, patience=20):
    """Ends a program and its children, which are a group of their own."""
    for number in (signal.SIGCONT, signal.SIGTERM):
        send(process, number)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        pass
    # Of its children too, those that did not end with it.
    send(process, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def send(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass
