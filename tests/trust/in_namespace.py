# ruff: noqa: T201
"""Runs a command where every address is this machine, and prints what it sent to any but 127.0.0.0/8.

    unshare --net -- python tests/trust/in_namespace.py COMMAND...

In a network namespace of its own there is nothing but a loopback device. All of IPv4 is routed to it, so that an
attempt to reach anything, by name or by number, becomes a packet that can be read here.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

ETH_P_ALL = 3
UDP = 17


def main() -> int:
    """Run the command; the last line says where its packets went, as JSON."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo"], check=True)
    seen: set[str] = set()
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))

    def listen() -> None:
        while True:
            packet = ear.recv(65_535)
            if packet[0] >> 4 == 4 and packet[16] != 127:
                seen.add(said(packet))
            elif packet[0] >> 4 == 6 and packet[24:40] != bytes(15) + b"\1" and packet[24] != 0xFF:
                seen.add(socket.inet_ntop(socket.AF_INET6, packet[24:40]))

    threading.Thread(target=listen, daemon=True).start()
    code = subprocess.run(sys.argv[1:], check=False).returncode
    time.sleep(0.5)
    print(json.dumps({"code": code, "sent": sorted(seen)}))
    return 0


def said(packet: bytes) -> str:
    """Return where a packet goes, and the name that it asks for if it is a question to DNS."""
    target = socket.inet_ntoa(packet[16:20])
    if packet[9] == UDP and packet[22:24] == b"\0\x35":
        question = packet[40:].split(b"\0")[0]
        return f"DNS {''.join(chr(char) if 32 < char < 127 else '.' for char in question)}"
    return target


if __name__ == "__main__":
    sys.exit(main())
