#!/usr/bin/env python3
"""Opens a page of `apus replay --report` in Chromium without a window, and tells as JSON what it does.

    look.py CHROMIUM PAGE [PREFIX]

With PREFIX, screenshots are written: PREFIX-light.png, PREFIX-dark.png, PREFIX-narrow.png, and as it would be
printed, on a dark screen too, PREFIX-print.png. Speaks the DevTools protocol over pipes; needs the standard
library alone.
"""
import base64
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time


class Browser:
    """A browser at the other end of two pipes; messages end with a zero byte."""

    def __init__(self, program, folder):
        to_read, self.writing = os.pipe()
        self.reading, to_write = os.pipe()

        def place():
            # Both ends away from 3 and 4 first: one of them may be there.
            first, second = os.dup2(to_read, 60), os.dup2(to_write, 61)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--hide-scrollbars", "--disable-background-networking",
             "--disable-component-update", f"--user-data-dir={folder}", "--remote-debugging-pipe"],
            close_fds=False, preexec_fn=place, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.last, self.buffer, self.events, self.session = 0, b"", [], None
        self.deadline = time.monotonic() + 100

    def receive(self):
        while b"\0" not in self.buffer:
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.reading], [], [], left)[0]:
                raise TimeoutError("the browser says nothing")
            piece = os.read(self.reading, 1 << 20)
            if not piece:
                raise EOFError("the browser has ended")
            self.buffer += piece
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive())

    def ask(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key, code, text=None):
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        down = dict(common, text=text) if text else common
        self.call("Input.dispatchKeyEvent", type="keyDown", **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": name}])

    def paper(self):
        """A page of A4 at 96 dots an inch, from a browser that is set to dark."""
        self.size(794, 1123)
        self.call("Emulation.setEmulatedMedia", media="print",
                  features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def picture(self, path):
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        pathlib.Path(path).write_bytes(base64.b64decode(answer["data"]))


SORTED = """(() => {
  const table = [...document.querySelectorAll('#rules table')][0];
  const values = [...table.tBodies[0].rows].map(row => Number(row.cells[3].querySelector('data').value));
  return {sort: table.tHead.rows[0].cells[3].getAttribute('aria-sort'), values};
})()"""


def look(browser, page, prefix):
    found = {}
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable")
    browser.size(1280, 900)
    browser.scheme("light")
    url = pathlib.Path(page).absolute().as_uri()
    browser.call("Page.navigate", url=url)
    browser.wait("Page.loadEventFired")
    found["heading"] = browser.ask("document.querySelector('h1').textContent")
    found["light"] = browser.ask("getComputedStyle(document.body).backgroundColor")
    found["plots"] = browser.ask("document.querySelectorAll('figure.plot svg').length")
    found["buttons"] = browser.ask("document.querySelectorAll('thead button').length")
    found["unnamed"] = browser.ask(
        "[...document.querySelectorAll('svg[role=img]')].filter(s => !s.ariaLabel && "
        "!(s.getAttribute('aria-labelledby') || '').split(' ').every(i => document.getElementById(i))).length")

    browser.press("Tab", 9)
    found["firstFocus"] = browser.ask("document.activeElement.className")
    browser.ask("document.querySelectorAll('#rules thead button')[3].focus()")
    found["focusSeen"] = browser.ask(
        "getComputedStyle(document.activeElement).outlineStyle") != "none"
    browser.press("Enter", 13, "\r")
    found["sortedOnce"] = browser.ask(SORTED)
    browser.press(" ", 32, " ")
    found["sortedTwice"] = browser.ask(SORTED)
    browser.ask("document.querySelector('#rules input').focus()")
    browser.call("Input.insertText", text="no-such-rule")
    found["filtered"] = browser.ask(
        "[...document.querySelectorAll('#rules tbody tr')].filter(r => !r.hidden).length")
    browser.call("Page.navigate", url=url)
    browser.events = [e for e in browser.events if e.get("method") != "Page.loadEventFired"]
    browser.wait("Page.loadEventFired")

    if prefix:
        browser.picture(f"{prefix}-light.png")
    browser.scheme("dark")
    found["dark"] = browser.ask("getComputedStyle(document.body).backgroundColor")
    if prefix:
        browser.picture(f"{prefix}-dark.png")
    browser.size(360, 740)
    found["narrow"] = browser.ask("document.documentElement.scrollWidth")
    if prefix:
        browser.scheme("light")
        browser.picture(f"{prefix}-narrow.png")
    browser.paper()
    found["paper"] = browser.ask("getComputedStyle(document.body).backgroundColor")
    found["paperKey"] = browser.ask(
        "getComputedStyle(document.querySelector('.key.drop')).backgroundColor")
    found["paperWidth"] = browser.ask("document.documentElement.scrollWidth")
    if prefix:
        browser.picture(f"{prefix}-print.png")
    browser.call("Emulation.setEmulatedMedia", media="", features=[])

    # What the policy forbids is forbidden: markup that slipped in could do nothing.
    browser.ask("""(() => {
      const script = document.createElement('script');
      script.textContent = 'window.injected = true';
      document.body.append(script);
      const image = new Image(); image.src = 'http://192.0.2.1/x.png';
    })()""")
    found["injected"] = browser.ask("window.injected === true")
    problems = []
    for event in browser.events:
        method, about = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown" or method == "Runtime.consoleAPICalled":
            problems.append(str(about)[:300])
        elif method == "Log.entryAdded" and "Content Security Policy" not in about["entry"]["text"]:
            problems.append(about["entry"]["text"][:300])
        elif method == "Log.entryAdded" and "192.0.2.1" not in about["entry"]["text"] \
                and "inline script" not in about["entry"]["text"]:
            problems.append(about["entry"]["text"][:300])
    found["problems"] = problems
    found["requests"] = sorted({
        event["params"]["request"]["url"] for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"} - {url, "http://192.0.2.1/x.png"})
    return found


def main():
    program, page = sys.argv[1:3]
    prefix = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        try:
            print(json.dumps(look(browser, page, prefix), sort_keys=True))
        finally:
            browser.process.kill()
            browser.process.wait()


main()
