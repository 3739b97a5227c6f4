"""A sweep's table made again with NumPy and SciPy from the runs' own files, for sweep_oracle_test.cpp: prints one JSON object.

Run: build/oracle-venv/bin/python tests/oracle/sweep.py SWEEP_FOLDER AXIS_KEY
"""
import csv
import json
import pathlib
import re
import sys
import tomllib

import numpy as np
from scipy import stats

folder, axis = pathlib.Path(sys.argv[1]), sys.argv[2]
runs = {}  # value on the axis -> score -> seed -> number
for run in sorted((folder / "cells").iterdir()):
    if not (run / "summary.json").exists():
        continue
    pipeline = tomllib.loads((run / "pipeline.toml").read_text())
    value = pipeline
    for word in axis.split("."):
        value = value[word]
    for name, scores in json.loads((run / "summary.json").read_text())["scores"].items():
        for score, number in scores.items():
            if isinstance(number, (int, float)):
                runs.setdefault(str(value), {}).setdefault(f"{name}.{score}", {})[pipeline["pipeline"]["seed"]] = number

with open(folder / "table.csv", newline="") as file:
    rows = list(csv.DictReader(file))
label = next(iter(rows[0]))
columns = [c[:-4] for c in rows[0] if c.endswith(" std")]
largest, numbers = 0.0, 0


def compare(text, number):
    """A number of the table with NumPy's or SciPy's; empty where there is none."""
    global largest, numbers
    if number is None or np.isnan(number):
        assert text == "", (text, number)
        return
    largest = max(largest, abs(float(text) - number))
    numbers += 1


def interval(values):
    """95 % of the mean; none of fewer than two numbers, or of such as do not vary."""
    values = np.asarray(values)
    if len(values) < 2 or values.std(ddof=1) < 1e-12:
        return None, None
    return stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))


def holm(ps):
    """Adjusted p, as R's p.adjust(method="holm")."""
    order = np.argsort(ps, kind="stable")
    out = np.empty(len(ps))
    out[order] = np.maximum.accumulate(np.minimum(1, np.asarray(ps)[order] * np.arange(len(ps), 0, -1)))
    return out


leads, tests = {}, {}
for column in columns:
    of = {row[label]: runs[row[label]].get(column, {}) for row in rows}
    best = max((name for name in of if of[name]), key=lambda name: np.mean(list(of[name].values())))
    others = [name for name in of if of[name] and name != best]
    paired = all(of[name].keys() == of[best].keys() for name in others)
    ps, without = {}, False
    for name in others:
        if paired:
            seeds = sorted(of[best])
            a, b = [of[best][s] for s in seeds], [of[name][s] for s in seeds]
            varies = len(a) > 1 and np.std(np.subtract(a, b), ddof=1) > 1e-12
            p = stats.ttest_rel(a, b).pvalue if varies else None
        else:
            a, b = list(of[best].values()), list(of[name].values())
            varies = len(a) > 1 and len(b) > 1 and max(np.std(a, ddof=1), np.std(b, ddof=1)) > 1e-12
            p = stats.ttest_ind(a, b, equal_var=False).pvalue if varies else None
        if p is not None:
            ps[name] = p
    adjusted = dict(zip(ps, holm(list(ps.values()))))
    tests[column] = "paired" if paired else "Welch"
    leads[column] = best if others and len(ps) == len(others) and max(adjusted.values()) < 0.05 else ""
    for row in rows:
        mine = of[row[label]]
        values = list(mine.values())
        compare(row[column], np.mean(values) if values else None)
        compare(row[column + " std"], np.std(values, ddof=1) if len(values) > 1 else None)
        assert int(row[column + " runs"]) == len(values)
        low, high = interval(values)
        compare(row[column + " low"], low)
        compare(row[column + " high"], high)
        common = [mine[s] - of[best][s] for s in mine if s in of[best]] if row[label] != best else []
        compare(row[column + " difference"], np.mean(common) if common else None)
        low, high = interval(common)
        compare(row[column + " difference low"], low)
        compare(row[column + " difference high"], high)
        compare(row[column + " difference p"], adjusted.get(row[label]))

bold = {column: "" for column in columns}
lines = (folder / "table.md").read_text().splitlines()
head = [c.strip().replace("\\", "") for c in lines[0].strip("|").split("|")]
for line in lines[2:]:
    cells = [c.strip() for c in line.strip("|").split("|")]
    for title, cell in zip(head, cells):
        if re.fullmatch(r"\*\*.*\*\*", cell):
            bold[title] = cells[0]
print(json.dumps({"rows": len(rows), "columns": columns, "numbers": numbers, "largest": largest, "leads": leads, "bold": bold, "tests": tests}))
