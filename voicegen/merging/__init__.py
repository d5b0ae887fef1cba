"""Several runs, or shards of one, as one run: their rows numbered through, their manifests joined, their record.

Knows ledgers, manifests and records; not what made them, and makes nothing itself.
"""
