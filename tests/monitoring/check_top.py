#!/usr/bin/python3
"""usage: check_top.py HOST_PROBE STAND_IN_NODE

`host-probe top` in a pseudo terminal: what it draws, its keys, a node that
goes away, signals that end it, and that the terminal is afterwards as it was
before. And that it writes plain text where there is no terminal to draw on.
"""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

from processes import stand_in_node

HOST_PROBE, STAND_IN_NODE = sys.argv[1:]
NEW_SCREEN = "\033[H\033[2J"
SECOND_SCREEN, FIRST_SCREEN, CURSOR = "\033[?1049h", "\033[?1049l", "\033[?25h"
CTRL_C = "\x03"


class Terminal:
    """The two ends of a pseudo terminal, 200 columns wide, and what was written to it."""

    def __init__(self):
        self.ours, self.its = pty.openpty()
        self.resize(200)
        self.before = self.modes()
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.ours)
        os.close(self.its)

    def resize(self, columns):
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))

    def modes(self):
        return termios.tcgetattr(self.its)

    def press(self, key):
        os.write(self.ours, key.encode())

    def read(self, seconds):
        if select.select([self.ours], [], [], seconds)[0]:
            self.said += os.read(self.ours, 65536).decode().replace("\r\n", "\n")

    def wait_for(self, what, holds):
        """The first whole screen that is drawn from now on and for which holds(lines) is true."""
        seen = self.said.count(NEW_SCREEN)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            self.read(0.5)
            for screen in self.said.split(NEW_SCREEN)[1 + seen:]:
                if "c: containers" in screen and holds(screen.split("\n")):
                    return screen.split("\n")
        raise AssertionError(f"waited for {what}: {self.said[-2000:]!r}")


@contextlib.contextmanager
def top(terminal, *arguments):
    program = subprocess.Popen([HOST_PROBE, "top", "--interval", "0.3", *arguments],
                               stdin=terminal.its, stdout=terminal.its, stderr=terminal.its)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def check_left(terminal, program, status=0):
    """It has ended with this status and left nothing of itself on the terminal."""
    end = time.monotonic() + 10
    while program.poll() is None and time.monotonic() < end:
        terminal.read(0.1)
    assert program.wait(1) == status
    terminal.read(0.1)
    assert terminal.modes() == terminal.before, "the terminal's modes are others than before"
    assert terminal.said.endswith(CURSOR + FIRST_SCREEN), repr(terminal.said[-100:])


def row(lines, name):
    return next((line.split() for line in lines if line.startswith(name)), None)


def near(value, expected):
    return abs(float(value) - expected) < 0.1 * expected


def check_keys(node):
    with Terminal() as terminal, top(terminal, "--address", node) as program:
        # As in stand_in_report.cc: what the containers use, and 0.095 CPUs around them. The first screen has no rates yet.
        lines = terminal.wait_for("rates", lambda lines: (row(lines, "shop/web-0") or ["", "-"])[1] not in ("-", "0.0"))
        assert terminal.said.startswith(SECOND_SCREEN), repr(terminal.said[:40])
        assert lines[0].startswith("SANDBOX") and "CPU%" in lines[0] and "OVERHEAD" in lines[0], lines[0]
        assert {"shop/web-0", "shop/silent-0", "batch/crunch-0"} <= {line.split()[0] for line in lines if line}, lines
        assert near(row(lines, "shop/web-0")[1], 44.5), lines
        assert row(lines, "shop/silent-0")[-3:] == ["(guest-probe", "not", "reached)"], lines
        assert row(lines, "  app") is None, lines
        changed = terminal.modes()[3]
        assert not changed & termios.ICANON and not changed & termios.ECHO and not changed & termios.ISIG

        terminal.press("c")
        lines = terminal.wait_for("containers", lambda lines: row(lines, "  app"))
        # Below their sandbox, in its order.
        names = [line.split()[0] for line in lines if line]
        assert names.index("app") > names.index("shop/web-0"), names
        terminal.resize(60)
        lines = terminal.wait_for("a narrow screen", lambda lines: len(lines[0]) <= 60)
        assert row(lines, "  app"), "the containers are folded in without a key"
        assert max(map(len, lines)) <= 60, lines
        terminal.press("x")  # no key of it
        terminal.press("c")
        terminal.wait_for("no containers", lambda lines: row(lines, "shop/web-0") and not row(lines, "  app"))
        terminal.press("q")
        check_left(terminal, program)


def check_interrupt(node):
    with Terminal() as terminal, top(terminal, "--address", node, "--containers") as program:
        terminal.wait_for("containers at once", lambda lines: row(lines, "  app"))
        terminal.press(CTRL_C)
        check_left(terminal, program)


def check_signals(node):
    for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        with Terminal() as terminal, top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            assert terminal.modes() != terminal.before
            program.send_signal(ending)
            check_left(terminal, program, -ending)


def check_signal_while_asking():
    """While it waits for a node that accepts and says nothing."""
    with Terminal() as terminal, contextlib.ExitStack() as running:
        node = running.enter_context(stand_in_node(STAND_IN_NODE))
        with top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            running.close()
            host, port = node.rsplit(":", 1)
            with socket.create_server((host, int(port))) as silent:
                silent.settimeout(20)
                with silent.accept()[0]:
                    program.send_signal(signal.SIGTERM)
                    begin = time.monotonic()
                    check_left(terminal, program, -signal.SIGTERM)
                    assert time.monotonic() - begin < 2, "it has waited for the node"


def check_node_that_goes():
    with Terminal() as terminal, contextlib.ExitStack() as running:
        node = running.enter_context(stand_in_node(STAND_IN_NODE))
        with top(terminal, "--address", node) as program:
            terminal.wait_for("a table", lambda lines: row(lines, "shop/web-0"))
            running.close()
            lines = terminal.wait_for("a complaint", lambda lines: any("cannot reach" in line for line in lines))
            assert row(lines, "shop/web-0"), "what was known is gone, too"
            terminal.press("q")
            check_left(terminal, program)


def check_plain(node):
    with Terminal() as terminal:
        command = [HOST_PROBE, "top", "--address", node, "--interval", "0.3"]
        said = subprocess.run(command, stdin=terminal.its, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout
        assert near(row(said.split("\n"), "shop/web-0")[1], 44.5) and "\033" not in said, said
        folded = subprocess.run([*command, "--containers"], stdin=subprocess.DEVNULL, check=True,
                                stdout=subprocess.PIPE, text=True, timeout=30).stdout
        assert row(folded.split("\n"), "  app") and "\033" not in folded, folded
        # On a terminal, too, JSON is written once.
        with top(terminal, "--address", node, "--json") as program:
            while program.poll() is None:
                terminal.read(0.2)
            terminal.read(0.2)
        sandboxes = {row["pod"]: row for row in json.loads(terminal.said)["sandboxes"]}
        assert near(sandboxes["shop/web-0"]["cpu"]["total"], 0.445), sandboxes
        assert not sandboxes["shop/silent-0"]["guest_up"], sandboxes
        assert {entry["name"] for entry in sandboxes["shop/web-0"]["containers"]} >= {"app", "proxy"}, sandboxes
        assert terminal.modes() == terminal.before


def main():
    with stand_in_node(STAND_IN_NODE) as node:
        check_keys(node)
        check_interrupt(node)
        check_signals(node)
        check_plain(node)
    check_node_that_goes()
    check_signal_while_asking()
    print("the live table is as it should be")


main()
