"""Packets to raw records: the packet sensor is a collector.

In: capture files and interfaces. Out: records of flows and protocols and what is found in them, as `Raw`. Must stay
true: no payload and no password leaves here, every packet is counted, and what could not be read is said.

The seam between what is seen and what is found:

    packets → records (frozen dataclasses in `records` and `applications`)
            → detections (one module a family, in `detections/`) → `findings.Finding` → `Raw`

A detection is added by a module in `detections/`: a frozen dataclass `Settings` and `detectors(settings, scene)`, which
returns objects with `take(record)` and `close()` (`findings.Detector`; `Learner` if it has to learn first what is
normal); the annotation of `record` says which types it is shown. Records come in the order of the capture; a `Flow`
comes when it has ended, an `OpenFlow` every hour before. `segments` knows networks and policy; `judge` shows records to
detectors and folds what they say.
"""
