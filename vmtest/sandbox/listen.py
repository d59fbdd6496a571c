#!/usr/bin/python3
"""Starts a program that is handed a listening socket: listen.py SOCKET PROGRAM [ARGUMENT...]

Listens on the unix socket SOCKET as descriptor 3 and becomes PROGRAM, as Kata's
Go runtime starts QEMU (-qmp unix:fd=3) and virtiofsd (--fd=3).
"""

import os
import socket
import sys


def main() -> None:
    path, *command = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    if listener.fileno() == 3:
        os.set_inheritable(3, True)
    else:
        os.dup2(listener.fileno(), 3)
        listener.close()
    os.execvp(command[0], command)


main()
