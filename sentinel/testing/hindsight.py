"""Which stories are found by rules that were written or changed after the bench had missed them: that proves less."""

RULES = {
    "invoice_fraud": ("Mail of the city is forwarded to an address outside",),
    "mail_in_a_thread": ("A document started a program that runs what it is told",),
    "personnel_files_at_night": ("Many personnel files are read at night",),
    "portal_spraying": ("One address tries many accounts of citizens",),
    "tax_data_over_https": ("A server sends hundreds of megabytes to one address outside",),
}
"""By story the titles of those rules. Rules for the three stories after reports were written after the stories."""
