"""pandas_job.py IN OUT - one CSV per flow with pandas: last valid answers, one column per question of the flow."""
import glob
import json
import os
import sys

import pandas as pd

given, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
parts = []
for path in sorted(glob.glob(f"{given}/conversations/**/*.json", recursive=True)):
    with open(path, encoding="utf-8") as f:
        parts.append(pd.DataFrame([(r["customer"], r["flow"], r["session"], r["timestamp"], q, a, i)
                                   for r in json.load(f) for i, (q, a) in enumerate(r["content"].items())
                                   if a is not None and a.strip()],
                                  columns=["customer", "flow", "session", "ts", "question", "answer", "place"]))
rows = pd.concat(parts, ignore_index=True)
rows["ts"] = pd.to_datetime(rows["ts"], utc=True)
rows = rows.sort_values(["ts", "place"], kind="stable")
keys = ["customer", "flow", "session"]
span = rows.groupby(keys, sort=False)["ts"].agg(first_answer_dt="min", last_answer_dt="max").reset_index()
for name in ("first_answer_dt", "last_answer_dt"):
    span[name] = span[name].dt.strftime("%Y-%m-%dT%H:%M:%S")
last = rows.drop_duplicates(keys + ["question"], keep="last")
asked = rows.drop_duplicates(["flow", "question"], keep="first")
order = asked.groupby("flow", sort=False)["question"].agg(list).to_dict()
spans = dict(tuple(span.groupby("flow", sort=False)))
for flow, answers in last.groupby("flow", sort=False):
    wide = answers.pivot(index=keys, columns="question", values="answer")[order[flow]].reset_index()
    wide = spans[flow].merge(wide, on=keys).sort_values(["customer", "session"])
    wide.to_csv(f"{out}/{flow}.csv", index=False)
print(f"{len(last)} answers, {len(order)} files")
