"""F31: with 64 descriptors new senders wait, those who are there are served, and it recovers when some go."""

import resource
import socket
import time
from contextlib import ExitStack

from tests.faults.producer import Relp
from tests.faults.trial import Trial
from tests.running import eventually

DESCRIPTORS = 64


def refused(trial: Trial) -> int:
    """Return how often a connection had to wait for want of descriptors, as the status tells."""
    rows = trial.running.json("status")[0]["hours"]
    return sum(row["number"] for row in rows if (row["outcome"], row["reason"]) == ("refused", "no_resources"))


def test_out_of_descriptors_those_who_are_there_are_served_and_others_when_there_is_room(trial: Trial) -> None:
    trial.start()
    assert trial.running.process is not None
    resource.prlimit(trial.running.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    old = trial.producer("relp")
    assert isinstance(old, Relp)
    with old.connected() as connection, ExitStack() as crowd:
        old.batch(connection, old.oracle.issue(5, "relp"))
        for _ in range(2 * DESCRIPTORS):
            crowd.enter_context(socket.create_connection(("127.0.0.1", trial.running.ports["tcp"]), 10))
        eventually(lambda: refused(trial))
        trial.faults["out of descriptors"] += refused(trial)
        time.sleep(2.5)  # it goes on looking after itself: checkpoints, marks, what the kernel dropped
        for _ in range(20):
            old.batch(connection, old.oracle.issue(5, "relp"))
    verdict = trial.judged()
    assert verdict.complaints == []
    assert verdict.acked >= 105
