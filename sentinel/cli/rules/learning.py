"""`sentinel rules learning`: how far the rules with a history have learnt."""

from sentinel.cli.common import SCHEMA, ConfigOption, JsonOption, application, emit, show
from sentinel.core.clock import iso
from sentinel.detect.past import learnt
from sentinel.ui import tables


def learning(json: JsonOption = False, config: ConfigOption = None) -> None:
    """Say of each rule with a history since when it learns, from when on it tells, and what it could not do."""
    app = application(config)
    detections = [one for one in app.rules.detections if one.history is not None]
    lessons = learnt(app.config.history_file, detections)
    now = app.clock.now()
    rows = [
        {
            "id": detection.id,
            "title": detection.title,
            "state": "nothing met yet" if one.ready is None else "learning" if one.ready > now else "tells",
            "begun": None if one.begun is None else iso(one.begun),
            "ready": None if one.ready is None else iso(one.ready),
            "held": one.held,
            "remark": one.remark,
        }
        for detection, one in zip(detections, lessons, strict=True)
    ]
    if json:
        emit(*({"schema": SCHEMA, **row} for row in rows))
    else:
        show(tables.plain_table(tuple(rows[0]), (tuple(row.values()) for row in rows)))
