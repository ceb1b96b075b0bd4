"""The traces on a server are deleted, and the proxy that would tell of it says nothing any more."""

from datetime import timedelta

from sentinel.testing.city import services, windows
from sentinel.testing.city.town import LINUX, PERSONNEL, PROXY
from sentinel.testing.city.windows import SYSTEM
from sentinel.testing.scene import About, Scene

ABOUT = About("The log is cleared, a source falls silent", "high", (8, 10), timedelta(hours=8))


def tell(scene: Scene) -> None:
    """Tell it, with a log service that restarts after an update beside it."""
    command = "wevtutil.exe cl Security"
    scene.say(
        "traces are deleted",
        windows.logon(scene.begin, PERSONNEL.host, "adm-kuhn", 10, scene.someone("rathaus").address),
        windows.process(
            scene.after(minutes=2), PERSONNEL.host, "adm-kuhn", f"{SYSTEM}wevtutil.exe", command, f"{SYSTEM}cmd.exe"
        ),
        windows.cleared(scene.after(minutes=2, seconds=1), PERSONNEL.host, "adm-kuhn"),
        decisive=True,
    )
    text = "adm-kuhn : TTY=pts/1 ; PWD=/root ; USER=root ; COMMAND=/usr/bin/systemctl stop rsyslog"
    scene.say("the proxy's log service is stopped", services.auth(scene.after(minutes=9), PROXY, "sudo", text))
    scene.silent(PROXY.address, scene.after(minutes=9, seconds=1), scene.after(hours=5))
    for number in range(3):
        at = scene.after(hours=2, minutes=number * 20)
        text = "adm-weber : TTY=pts/0 ; PWD=/home/adm-weber ; USER=root ; COMMAND=/usr/bin/systemctl restart rsyslog"
        scene.twin("a log service restarts", services.auth(at + timedelta(seconds=5), LINUX[number], "sudo", text))
