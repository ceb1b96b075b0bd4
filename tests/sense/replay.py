"""Sends the packets of a capture on an interface, so many a second; for tests, in a namespace of its own."""

import socket
import sys
import time
from pathlib import Path

from sentinel.sense.formats import Stream


def main() -> None:
    """Take the interface, the capture, packets a second and how many (the capture is begun anew until then)."""
    interface, path, pace, count = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    packets = [packet[2] for batch in Stream().feed(path.read_bytes()) for packet in batch.packets]
    begun, sent = time.monotonic(), 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        for number in range(count):
            data = packets[number % len(packets)]
            if len(data) <= 1514:
                wire.send(data)
                sent += 1
            if number % 64 == 63 and (ahead := begun + number / pace - time.monotonic()) > 0:
                time.sleep(ahead)
    sys.stdout.write(f"{sent}\n")


if __name__ == "__main__":
    main()
