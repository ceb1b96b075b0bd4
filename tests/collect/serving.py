"""An entrance with a real spool in a process of its own, to be killed or measured: `serving.py KIND PORT FOLDER`.

It speaks TLS if there is a cert.pem in the folder. It says its port when it is ready and ends orderly on SIGTERM.
"""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sentinel.collect.lumberjack import Lumberjack
from sentinel.collect.relp import Relp
from sentinel.collect.syslog_tcp import SyslogTcp
from sentinel.collect.tls import Tls, TlsFiles
from sentinel.core.clock import SystemClock
from sentinel.spool.disk import DiskSpool

Served = Lumberjack | Relp | SyslogTcp


def _tls(folder: Path) -> Tls | None:
    cert = folder / "cert.pem"
    return Tls(TlsFiles(cert, folder / "key.pem")) if cert.exists() else None


KINDS: dict[str, Callable[[int, Tls | None], Served]] = {
    "beats": lambda port, tls: Lumberjack("beats", SystemClock(), port=port, tls=tls, alive_seconds=0.5),
    "relp": lambda port, tls: Relp("relp", SystemClock(), port=port, tls=tls),
    "tcp": lambda port, tls: SyslogTcp("tcp", SystemClock(), port=port, tls=tls),
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


def main(kind: str, port: str, folder: str) -> None:
    """Serve with a spool below `folder`."""
    with DiskSpool(Path(folder) / "spool", ballast_bytes=0) as spool:
        asyncio.run(serve(KINDS[kind](int(port), _tls(Path(folder))), spool))


if __name__ == "__main__":
    main(*sys.argv[1:])
