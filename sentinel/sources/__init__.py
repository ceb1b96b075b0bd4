"""Who sends, and what became of what they sent: the books of sources.

In: what the pipeline tells after storing. Out: senders with cadence and lag, balanced accounts, findings on those that
fell silent. Must stay true: received = stored + duplicate + dead letter + filtered + dropped + in the spool, whatever
was killed when; a sender that falls silent is one alert, which closes itself.
"""
