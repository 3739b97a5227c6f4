"""Scores and assignment beside scikit-learn and SciPy, interleaved in one script.

Run: build/oracle-venv/bin/python tests/bench/metrics.py BUILD/bin/bench_metrics
One thread on both sides; processor time, so that the figures hold on a machine that others use too. Synthetic: N = 1,281,167 samples, 1000 classes of ImageNet's sizes, predictions right with probability 0.5 (else a draw from a skewed
distribution), and for the assignment 1000 x 1000 uniform random costs, and that contingency table.
"""
import json, os, subprocess, sys, tempfile, time
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn import metrics
from sklearn.metrics.cluster import contingency_matrix

os.environ["BENCH_THREADS"] = "1"
program = sys.argv[1]
rng = np.random.default_rng(0)
n, k = 1_281_167, 1000
sizes = rng.integers(732, 1301, k).astype(float)
labels = rng.choice(k, n, p=sizes / sizes.sum()).astype(np.int32)
skew = rng.gamma(2.0, 1.0, k)
order = rng.permutation(k)
predictions = np.where(rng.random(n) < 0.5, order[labels], rng.choice(k, n, p=skew / skew.sum())).astype(np.int32)


def clock(f, repeats=3):
    best = []
    for _ in range(repeats):
        t = time.process_time()
        value = f()
        best.append((time.process_time() - t) * 1e3)
    return value, min(best), float(np.median(best))


with tempfile.TemporaryDirectory() as folder:
    def run(*arguments):
        return json.loads(subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout)

    predictions.tofile(f"{folder}/p")
    labels.tofile(f"{folder}/l")
    ours = run("scores", f"{folder}/p", f"{folder}/l", k, k, 21)
    table, least, median = clock(lambda: contingency_matrix(predictions, labels))
    print(f"N {n}, K = C = {k}; ms, minimum (median)")
    for name in ("all", "contingency", "assignment", "emi"):
        print(f"  ours {name:12s} {ours[name]['min']:8.2f} ({ours[name]['median']:.2f})")
    print(f"  sklearn contingency {least:8.1f} ({median:.1f})")
    for name, f in (("nmi", metrics.normalized_mutual_info_score), ("ari", metrics.adjusted_rand_score)):
        value, least, median = clock(lambda: f(labels, predictions), 1)
        print(f"  sklearn {name} {least:8.1f}   difference {abs(value - ours[name]):.1e}")
    (r, c), least, median = clock(lambda: linear_sum_assignment(table, maximize=True), 5)
    print(f"  scipy assignment of the table {least:8.2f} ({median:.2f})   difference of ACC {abs(table[r, c].sum() / n - ours['acc']):.1e}")
    if "--ami" in sys.argv:  # a minute or more
        value, least, median = clock(lambda: metrics.adjusted_mutual_info_score(labels, predictions), 1)
        print(f"  sklearn ami {least:8.0f}   difference {abs(value - ours['ami']):.1e}")

    rows = []
    for seed in range(5):
        cost = np.random.default_rng(seed).integers(0, 1 << 30, (k, k))
        cost.tofile(f"{folder}/c")
        ours = run("assignment", f"{folder}/c", k, k, 5)
        (r, c), least, median = clock(lambda: linear_sum_assignment(cost.astype(float)), 3)
        assert int(cost[r, c].sum()) == ours["total"]
        rows.append((ours["assignment"]["min"], least))
    rows = np.array(rows)
    print(f"assignment, random {k} x {k}, five draws: ours {np.median(rows[:, 0]):.2f} ms, scipy {np.median(rows[:, 1]):.2f} ms, median ratio {np.median(rows[:, 1] / rows[:, 0]):.1f}")
