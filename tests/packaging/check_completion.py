#!/usr/bin/python3
"""usage: check_completion.py PROGRAM...

What bash offers for each program is what its --help lists.
"""

import pathlib
import subprocess
import sys

from program_help import read_help

FILE = pathlib.Path(__file__).resolve().parents[2] / "packaging/completion/katameter.bash"
# As bash itself calls it: program, word, word before.
CALL = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
function=$(complete -p "${1##*/}" | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
"$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def offered(*words):
    shell = subprocess.run(["bash", "-euc", CALL, "-", FILE, *words], check=True, stdout=subprocess.PIPE, text=True)
    return set(shell.stdout.split())


def expect(words, expected):
    found = offered(*words)
    assert found == set(expected), f"{' '.join(map(str, words))}: {found ^ set(expected)} is on one side only"


def check(program):
    options, commands = read_help(program)
    host = pathlib.Path(program).name == "host-probe"
    expect([program, ""], commands)
    expect([program, "--"], options)
    expect([program, "--log.level", "debug", ""], commands)
    expect([program, "--log.level", ""], ["debug", "info", "warning", "error"])
    expect([program, "--log.level", "w"], ["warning"])
    expect([program, "--config", ""], [])  # a file, which is bash's own business
    for command in commands:
        own, _ = read_help(program, command)
        alone = host and command in ("top", "metrics")
        if alone:
            # Neither takes the program's options: wrong usage, said before anything is done.
            call = [program, command, "--log.level", "info"]
            assert subprocess.run(call, stderr=subprocess.DEVNULL).returncode == 2, call
        expect([program, command, "--"], own if alone else own | options)
    if host:
        expect([program, "run", "--log.format", ""], ["logfmt", "json"])
        expect([program, "top", "--j"], ["--json"])
        expect([program, "top", "--sort", ""], ["cpu", "memory", "overhead", "name"])
    else:
        expect([program, "dump", "--format", ""], ["text", "json"])
        expect([program, "--log.target", "k"], ["kmsg"])


for argument in sys.argv[1:]:
    check(argument)
print("bash offers what --help lists")
