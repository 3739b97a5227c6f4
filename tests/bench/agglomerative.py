"""Ward's agglomerative clustering beside scikit-learn's (float64), interleaved; the clusters and the last merge's height must agree. --means: ours
without kept distances, as where they would not fit and of up to 128 columns in any case.

Run: build/oracle-venv/bin/python tests/bench/agglomerative.py BUILD/bin/bench_agglomerative [--rounds 3] [--n 12000] [--d 512] [--k 10] [--threads 2]
     [--means]
Data: a Gaussian mixture of 100 overlapping components.
"""
import argparse, json, os, subprocess, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--n", type=int, default=12_000)
parser.add_argument("--d", type=int, default=512)
parser.add_argument("--k", type=int, default=10)
parser.add_argument("--threads", default="2")
parser.add_argument("--means", action="store_true")
a = parser.parse_args()
for variable in ("BENCH_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = a.threads
import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

rng = np.random.default_rng(0)
x = rng.standard_normal((100, a.d), dtype=np.float32)[rng.integers(0, 100, a.n)] + rng.standard_normal((a.n, a.d), dtype=np.float32)
with tempfile.TemporaryDirectory() as folder:
    x.tofile(f"{folder}/x")
    rows = []
    for _ in range(a.rounds):
        out = json.loads(subprocess.run([a.program, f"{folder}/x", *map(str, (a.n, a.d, a.k, 0 if a.means else 4e9)), f"{folder}/labels"],
                                        check=True, capture_output=True, text=True).stdout)
        ours = np.fromfile(f"{folder}/labels", np.int32)
        start = time.perf_counter()
        theirs = AgglomerativeClustering(a.k, compute_distances=True).fit(x.astype(np.float64))
        rows.append((out["seconds"], time.perf_counter() - start))
    rows = np.array(rows)
    print(f"{a.n} x {a.d}, {a.k} clusters, {a.threads} threads: ours {np.median(rows[:, 0]):.2f} s (minimum {rows[:, 0].min():.2f}), scikit-learn "
          f"{np.median(rows[:, 1]):.2f} s (minimum {rows[:, 1].min():.2f}), median ratio {np.median(rows[:, 1] / rows[:, 0]):.2f}; "
          f"adjusted Rand index of the two {adjusted_rand_score(ours, theirs.labels_):.6f}, heights' relative difference "
          f"{abs(out['height'] / theirs.distances_[-1] - 1):.1e}", flush=True)
