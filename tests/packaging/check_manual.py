#!/usr/bin/python3
"""usage: check_manual.py PROGRAM...

Each program's manual page has the commands and options that its --help has,
with their defaults, each under its command, and no others; man finds nothing
wrong with it.
"""

import pathlib
import re
import subprocess
import sys

from program_help import read_help

ROOT = pathlib.Path(__file__).resolve().parents[2]


def plain(text):
    """Roff's characters as they are printed."""
    return text.replace("\\-", "-").replace("\\(aq", "'")


def sections(page):
    """Lines by heading; those of a .SS, which may name several commands, are its own."""
    parts, heading = {}, ""
    for line in page.splitlines():
        if found := re.match(r"\.S[HS] (.+)", line):
            heading = found[1]
        else:
            for name in heading.split(", "):
                parts.setdefault(name, []).append(line)
    return parts


def described(lines):
    """The first line after each .TP, and all that follows it."""
    entries = re.split(r"^\.TP\n", "\n".join(lines), flags=re.MULTILINE)[1:]
    return dict(plain(entry).split("\n", 1) for entry in entries)


def options_of(lines):
    return {re.search(r"--[\w.-]+", name)[0]: text for name, text in described(lines).items() if "--" in name}


def check_options(where, said, options):
    assert said.keys() == options.keys(), f"{where}: {said.keys() ^ options.keys()} is on one side only"
    for name, default in options.items():
        if default is not None:
            assert default in said[name], f"{where}: {name} does not say that its default is {default}"


def check(program):
    name = pathlib.Path(program).name
    file = ROOT / f"packaging/man/{name}.8"
    parts = sections(file.read_text())
    options, commands = read_help(program)
    said = {line.removeprefix(".B ") for line in described(parts["COMMANDS"])}
    assert said == commands.keys(), f"{file}: commands {said ^ commands.keys()} are on one side only"
    own = {}
    for command in commands:
        its_options, _ = read_help(program, command)
        del its_options["--help"]
        if its_options:
            own[command] = its_options
            check_options(f"{file}, {command}", options_of(parts[command]), its_options)
    # What the program takes for a command is described there.
    of_commands = set().union(*own.values())
    check_options(file, options_of(parts["OPTIONS"]), {k: v for k, v in options.items() if k not in of_commands})
    headings = {heading for heading in parts if heading.islower()}
    assert headings == own.keys(), f"{file}: {headings ^ own.keys()}"
    man = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", file], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert not man.stderr, f"{file}: {man.stderr}"
    assert len(man.stdout) > 1000, f"{file}: man shows next to nothing"
    print(f"{name}.8: {len(commands)} commands, {len(options) + sum(map(len, own.values()))} options")


for argument in sys.argv[1:]:
    check(argument)
