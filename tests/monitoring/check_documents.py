#!/usr/bin/python3
"""usage: check_documents.py HOST_PROBE GUEST_PROBE

The documents speak of what there is: links lead to files, and subcommands,
options and our own metrics exist.
"""

import re
import subprocess
import sys

from catalogue import DOCUMENT, read_document
from processes import ROOT

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"^ *(?:\$ )?(?:\S*/)?(host-probe|guest-probe)((?: \S+)+)")
METRIC = re.compile(r"\bkatameter_[a-z_]+[a-z]\b(?!\*|_\*)")
OPTION = re.compile(r"--[a-z][\w.-]*[a-z]")


def help_of(program, *subcommand):
    return subprocess.run([program, *subcommand, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout


def read_help(program):
    """All options, with those of the subcommands, and the subcommands."""
    text = help_of(program)
    subcommands = re.findall(r"^  ([a-z]+) ", text.split("Subcommands:")[1], re.MULTILINE)
    options = set(OPTION.findall(text + "".join(help_of(program, name) for name in subcommands)))
    return options, set(subcommands)


def check_links(file, text):
    for target in LINK.findall(text):
        if "://" not in target:
            assert (file.parent / target).exists(), f"{file}: there is no {target}"


def check_code(file, code, helps, metrics):
    for program, rest in COMMAND.findall(code):
        options, subcommands = helps[program]
        unknown = set(OPTION.findall(rest)) - options
        assert not unknown, f"{file}: {program} has no {unknown}"
        before = ""
        for word in rest.split():
            # What stands behind an option may be its value.
            if word.isalpha() and word.islower() and not before.startswith("--"):
                assert word in subcommands, f"{file}: {program} has no '{word}' in '{code}'"
                break
            before = word
    for name in METRIC.findall(code):
        assert name in metrics or any(known.startswith(name + "_") for known in metrics), f"{file}: there is no {name}"


def main():
    helps = {"host-probe": read_help(sys.argv[1]), "guest-probe": read_help(sys.argv[2])}
    metrics = read_document(DOCUMENT.read_text())
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split()
    pieces = 0
    for name in files:
        file = ROOT / name
        text = file.read_text()
        check_links(file, text)
        blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
        lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
        for code in lines + spans:
            check_code(file, code, helps, metrics)
            pieces += 1
    assert pieces > 500, f"only {pieces} pieces of code were found in {len(files)} documents"
    print(f"{len(files)} documents are about what there is")


main()
