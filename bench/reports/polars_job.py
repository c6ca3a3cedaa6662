"""polars_job.py IN OUT - the same with Polars."""
import glob
import json
import os
import sys

import polars as pl

given, out = sys.argv[1:3]
os.makedirs(out, exist_ok=True)
names = ["customer", "flow", "session", "ts", "question", "answer", "place"]
parts = []
for path in sorted(glob.glob(f"{given}/conversations/**/*.json", recursive=True)):
    # read_json would make one struct of all questions there are: thousands of columns.
    with open(path, encoding="utf-8") as f:
        parts.append(pl.DataFrame([(r["customer"], r["flow"], r["session"], r["timestamp"], q, a, i)
                                   for r in json.load(f) for i, (q, a) in enumerate(r["content"].items())
                                   if a is not None and a.strip()], schema=names, orient="row"))
rows = pl.concat(parts).with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z")).sort("ts", "place", maintain_order=True)
keys = ["customer", "flow", "session"]
span = rows.group_by(keys).agg(first_answer_dt=pl.col("ts").min().dt.strftime("%Y-%m-%dT%H:%M:%S"),
                               last_answer_dt=pl.col("ts").max().dt.strftime("%Y-%m-%dT%H:%M:%S"))
last = rows.unique(keys + ["question"], keep="last", maintain_order=True)
order = dict(rows.unique(["flow", "question"], keep="first", maintain_order=True)
             .group_by("flow", maintain_order=True).agg("question").iter_rows())
spans = span.partition_by("flow", as_dict=True)
for (flow,), answers in last.partition_by("flow", as_dict=True).items():
    wide = answers.pivot("question", index=keys, values="answer").select(keys + order[flow])
    spans[flow,].join(wide, on=keys).sort("customer", "session").write_csv(f"{out}/{flow}.csv")
print(f"{len(last)} answers, {len(order)} files")
