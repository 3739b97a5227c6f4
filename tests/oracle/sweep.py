"""A sweep's table made again with NumPy from the runs' own files, for sweep_oracle_test.cpp: prints one JSON object.

Run: build/oracle-venv/bin/python tests/oracle/sweep.py SWEEP_FOLDER AXIS_KEY
"""
import csv
import json
import pathlib
import re
import sys
import tomllib

import numpy as np

folder, axis = pathlib.Path(sys.argv[1]), sys.argv[2]
runs = {}  # value on the axis -> score -> numbers of the seeds
for run in sorted((folder / "cells").iterdir()):
    if not (run / "summary.json").exists():
        continue
    value = tomllib.loads((run / "pipeline.toml").read_text())
    for word in axis.split("."):
        value = value[word]
    for name, scores in json.loads((run / "summary.json").read_text())["scores"].items():
        for score, number in scores.items():
            if isinstance(number, (int, float)):
                runs.setdefault(str(value), {}).setdefault(f"{name}.{score}", []).append(number)

with open(folder / "table.csv", newline="") as file:
    rows = list(csv.DictReader(file))
label = next(iter(rows[0]))
columns = [c[:-4] for c in rows[0] if c.endswith(" std")]
largest, numbers = 0.0, 0
for row in rows:
    for column in columns:
        of = np.array(runs[row[label]][column])
        largest = max(largest, abs(float(row[column]) - of.mean()), abs(float(row[column + " std"]) - of.std(ddof=1)))
        assert int(row[column + " runs"]) == len(of)
        numbers += 2

# Which row leads each column by more than the larger deviation of itself and any other.
leads = {}
for column in columns:
    order = sorted(rows, key=lambda row: -np.mean(runs[row[label]][column]))
    first = np.array(runs[order[0][label]][column])
    clear = all(first.mean() - np.mean(o) > max(first.std(ddof=1), np.std(o, ddof=1)) for o in (runs[r[label]][column] for r in order[1:]))
    leads[column] = order[0][label] if clear else ""
bold = {column: "" for column in columns}
for line in (folder / "table.md").read_text().splitlines()[2:]:
    cells = [c.strip() for c in line.strip("|").split("|")]
    for column, cell in zip(columns, cells[2:]):
        if re.fullmatch(r"\*\*.*\*\*", cell):
            bold[column] = cells[0]
print(json.dumps({"rows": len(rows), "columns": columns, "numbers": numbers, "largest": largest, "leads": leads, "bold": bold}))
