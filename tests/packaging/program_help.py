"""What a program's own --help lists."""

import re
import subprocess


def read_help(program, *subcommand):
    """Options, each with its default or None, and subcommands, each with what it is said to do."""
    text = subprocess.run([program, *subcommand, "--help"], check=True, stdout=subprocess.PIPE, text=True).stdout
    options, commands, part = {}, {}, ""
    for line in text.splitlines():
        if re.match(r"[A-Z]\w*:$", line):
            part = line
        elif part == "Options:" and (found := re.match(r"  (?:-\w,)?(--[\w.-]+)(?: ([^\s=]\S*(?: in \[.*?\])?))?", line)):
            default = re.search(r"=(\S+)", line[:60]) if found[2] else None
            options[found[1]] = default[1].strip("[]") if default else None
        elif part == "Subcommands:" and (found := re.match(r"  ([a-z-]+) +(.+)", line)):
            commands[found[1]] = found[2]
    assert "--help" in options, f"{program}: no options were found in\n{text}"
    return options, commands
