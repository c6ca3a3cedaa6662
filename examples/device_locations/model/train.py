"""Factors of the weekdays: devices on that weekday over the average of all days, by device type.

Rows come as JSON lines; the artifact is one JSON document.
"""
import datetime
import json
import os
import sys

by_type = {}
for line in sys.stdin:
    row = json.loads(line)
    weekday = datetime.date.fromisoformat(row["day"]).isoweekday()
    by_type.setdefault(row["device_type"], []).append((weekday, row["devices"]))

artifact = {}
for device_type, days in sorted(by_type.items()):
    average = sum(n for _, n in days) / len(days)
    factors = {}
    for weekday in range(1, 8):
        seen = [n for w, n in days if w == weekday]
        factors[weekday] = round(sum(seen) / len(seen) / average, 6) if seen and average else 1.0
    artifact[device_type] = factors

with open(os.environ["RAUDAL_ARTIFACT"], "w") as f:
    json.dump(artifact, f, sort_keys=True)
print(f"{len(artifact)} device types", file=sys.stderr)
