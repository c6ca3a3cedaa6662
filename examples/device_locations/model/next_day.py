"""Devices expected on the next day: the mean of the last days, each freed of its weekday, times the weekday's factor.

Parameters: days (how many last days), width (standard deviations of the usual range).
"""
import datetime
import json
import os
import statistics
import sys

parameters = json.loads(os.environ["RAUDAL_PARAMETERS"])
with open(os.environ["RAUDAL_ARTIFACT"]) as f:
    factors = json.load(f)

rows = [json.loads(line) for line in sys.stdin]
last = max(datetime.date.fromisoformat(r["day"]) for r in rows)
day = last + datetime.timedelta(days=1)
for device_type in sorted({r["device_type"] for r in rows}):
    own = factors.get(device_type, {})
    recent = [
        r["devices"] / own.get(str(datetime.date.fromisoformat(r["day"]).isoweekday()), 1.0)
        for r in rows
        if r["device_type"] == device_type
        and datetime.date.fromisoformat(r["day"]) > last - datetime.timedelta(days=parameters["days"])
    ]
    expected = statistics.fmean(recent) * own.get(str(day.isoweekday()), 1.0)
    spread = statistics.pstdev(recent) * parameters["width"]
    print(
        json.dumps(
            {
                "day": day.isoformat(),
                "device_type": device_type,
                "devices": round(expected, 3),
                "low": round(max(0.0, expected - spread), 3),
                "high": round(expected + spread, 3),
            }
        )
    )
