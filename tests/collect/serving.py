"""An entrance with a real spool in a process of its own, to be killed or measured: `serving.py KIND PORT FOLDER`.

It speaks TLS if there is a cert.pem in the folder. It says its port when it is ready, ends orderly on SIGTERM, and
says then what it has counted.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from sentinel.collect.http import HttpEntrance
from sentinel.collect.lumberjack import Lumberjack
from sentinel.collect.relp import Relp
from sentinel.collect.syslog_tcp import SyslogTcp
from sentinel.collect.syslog_udp import SyslogUdp
from sentinel.collect.tls import Tls, TlsFiles
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool

Served = HttpEntrance | Lumberjack | Relp | SyslogTcp | SyslogUdp
TOKEN = "a-token-for-those-who-serve"  # noqa: S105  no secret: it opens what a test has begun


def _tls(folder: Path) -> Tls | None:
    cert = folder / "cert.pem"
    return Tls(TlsFiles(cert, folder / "key.pem")) if cert.exists() else None


KINDS: dict[str, Callable[[int, Tls | None], Served]] = {
    "beats": lambda port, tls: Lumberjack("beats", SystemClock(), port=port, tls=tls, alive_seconds=0.5),
    "http": lambda port, tls: HttpEntrance("http", SystemClock(), {TOKEN: "http"}, port=port, tls=tls),
    "relp": lambda port, tls: Relp("relp", SystemClock(), port=port, tls=tls),
    "tcp": lambda port, tls: SyslogTcp("tcp", SystemClock(), port=port, tls=tls),
    "udp": lambda port, _: SyslogUdp("udp", SystemClock(), port=port),
}


async def serve(entrance: Served, spool: DiskSpool) -> None:
    """Run until SIGTERM."""
    task = asyncio.create_task(entrance.run(spool))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait({asyncio.create_task(entrance.ready.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        sys.stdout.write(f"{entrance.port}\n")
        sys.stdout.flush()
    await asyncio.gather(task, return_exceptions=True)
    counted = {one.name: getattr(entrance.counters, one.name) for one in fields(entrance.counters)}
    sys.stdout.write(json.dumps(counted, default=dict) + "\n")


def main(kind: str, port: str, folder: str) -> None:
    """Serve with a spool below `folder`."""
    with DiskSpool(Path(folder) / "spool", ballast_bytes=0) as spool:
        asyncio.run(serve(KINDS[kind](int(port), _tls(Path(folder))), spool))


if __name__ == "__main__":
    main(*sys.argv[1:])
