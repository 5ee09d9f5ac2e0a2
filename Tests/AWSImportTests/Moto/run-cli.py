"""Runs commands of the AWS command line interface, one a line of standard input, in one process.

usage: run-cli.py FOLDER < COMMANDS

The first words of a line are what to do with what the command prints:
  NAME=PATH command…   keeps the value at a dotted path, such as Vpc.VpcId, under a name
  > FILE command…      writes it to a file of the folder
  command…             does nothing with it
Names in braces are replaced by their values, in commands and file names. Ends with status 1 at the
first command that fails.
"""

import contextlib
import io
import json
import re
import shlex
import sys

from awscli.clidriver import create_clidriver

folder = sys.argv[1]
names = {}
first = create_clidriver()


def run(words):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        # A driver remembers arguments of the command before; what it read of services is kept.
        driver = create_clidriver()
        loader = first.session.get_component("data_loader")
        driver.session.register_component("data_loader", loader)
        status = driver.main(words)
    if status:
        sys.exit("run-cli: status %s of: aws %s" % (status, shlex.join(words)))
    return printed.getvalue()


for line in sys.stdin:
    line = line.strip()
    if not line or line.startswith("#"):
        continue
    line = re.sub(r"\{(\w+)\}", lambda name: names[name.group(1)], line)
    words = shlex.split(line)
    if words[0] == ">":
        with open("%s/%s" % (folder, words[1]), "w") as file:
            file.write(run(words[2:]))
    elif re.fullmatch(r"\w+=[\w.]+", words[0]):
        name, path = words[0].split("=")
        value = json.loads(run(words[1:]))
        for step in path.split("."):
            value = value[int(step)] if step.isdigit() else value[step]
        names[name] = value
    else:
        run(words)
json.dump(names, sys.stdout, indent=1)
