#!/usr/bin/python3
"""Tells whether a guest listens: connect.py SOCKET|CID PORT

Does the hybrid vsock handshake of cloud-hypervisor and firecracker on the
unix socket SOCKET, or connects to the guest's CID by AF_VSOCK; prints the
answer and hangs up. Exit status 0 if the guest accepted, 1 if not.
"""

import socket
import sys


def ask_cid(cid: int, port: int) -> str:
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as peer:
        peer.settimeout(2)
        try:
            peer.connect((cid, port))
        except OSError as error:
            return str(error)
    return "OK"


def ask_hybrid(path: str, port: int) -> str:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(2)
        try:
            peer.connect(path)
            peer.sendall(f"CONNECT {port}\n".encode())
            answer = peer.recv(64).decode(errors="replace").strip()
        except OSError as error:
            answer = str(error)
    return answer or "refused: nothing listens on that port"


def main() -> int:
    guest, port = sys.argv[1:]
    answer = ask_cid(int(guest), int(port)) if guest.isdigit() else ask_hybrid(guest, int(port))
    print(answer)
    return 0 if answer.startswith("OK") else 1


sys.exit(main())
