#!/usr/bin/python3
"""Tells whether a guest listens: connect.py SOCKET PORT

Does the hybrid vsock handshake of cloud-hypervisor and firecracker on the
unix socket SOCKET, prints the answer and hangs up. Exit status 0 if the guest
accepted, 1 if not.
"""

import socket
import sys


def main() -> int:
    path, port = sys.argv[1:]
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(2)
        try:
            peer.connect(path)
            peer.sendall(f"CONNECT {port}\n".encode())
            answer = peer.recv(64).decode(errors="replace").strip()
        except OSError as error:
            answer = str(error)
    print(answer or "refused: nothing listens on that port")
    return 0 if answer.startswith("OK ") else 1


sys.exit(main())
