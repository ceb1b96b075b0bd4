"""Alerts to messages that reach somebody, each at least once and no more than anybody can read.

In: new alerts. Out: mails, webhooks, Matrix messages. Must stay true: what is to be told is on disk before it is sent
and until it was; no server, however it behaves, holds up anything but its own channel; nothing personal leaves unless
the channel says so.
"""
