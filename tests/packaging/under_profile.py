#!/usr/bin/python3
"""usage: under_profile.py PROGRAM [ARGUMENT...]

Becomes PROGRAM behind the seccomp profile that the chart puts on nodes, or the
one that SECCOMP_PROFILE names. What the profile does not allow kills it
(SIGSYS) instead of failing, so that no missing system call goes unnoticed:
`strace -f` names it. The profile is read as container runtimes read it; what
they would not understand is an error.
"""

import errno
import json
import os
import pathlib
import sys

import seccomp

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "packaging/seccomp/host-probe.json"
OPERATORS = {"SCMP_CMP_EQ": seccomp.EQ, "SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ}


def action(rule):
    if rule["action"] == "SCMP_ACT_ALLOW":
        return seccomp.ALLOW
    assert rule["action"] == "SCMP_ACT_ERRNO", rule
    return seccomp.ERRNO(rule.get("errnoRet", errno.EPERM))


def argument(wanted):
    """OCI's `value` is the mask of MASKED_EQ, and `valueTwo` the value; of the others it is the value."""
    assert wanted.keys() <= {"index", "value", "valueTwo", "op"}, wanted
    values = [wanted["value"]] + ([wanted["valueTwo"]] if "valueTwo" in wanted else [])
    return seccomp.Arg(wanted["index"], OPERATORS[wanted["op"]], *values)


def load(profile):
    assert profile.keys() == {"defaultAction", "defaultErrnoRet", "syscalls"} and profile["defaultAction"] == "SCMP_ACT_ERRNO"
    behind = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    for rule in profile["syscalls"]:
        assert rule.keys() <= {"comment", "names", "action", "errnoRet", "args"}, rule
        for name in rule["names"]:
            behind.add_rule(action(rule), name, *map(argument, rule.get("args", [])))
    behind.load()


def main():
    load(json.loads(pathlib.Path(os.environ.get("SECCOMP_PROFILE", SHIPPED)).read_text()))
    os.execv(sys.argv[1], sys.argv[1:])


main()
