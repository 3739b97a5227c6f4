"""Nearest neighbours beside scikit-learn's brute force (float32), interleaved; the neighbours must agree.

Run: build/oracle-venv/bin/python tests/bench/neighbors.py BUILD/bin/bench_neighbors [--rounds 3] [--n 70000] [--d 128] [--k 20] [--threads 2]
OPENBLAS_CORETYPE is unset (for scikit-learn's own OpenBLAS: its fastest kernel). Data: a Gaussian mixture of 100 overlapping components.
"""
import argparse, json, os, subprocess, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--n", type=int, default=70_000)
parser.add_argument("--d", type=int, default=128)
parser.add_argument("--k", type=int, default=20)
parser.add_argument("--threads", default="2")
a = parser.parse_args()
os.environ.pop("OPENBLAS_CORETYPE", None)
for variable in ("BENCH_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = a.threads
import numpy as np
from sklearn.neighbors import NearestNeighbors

rng = np.random.default_rng(0)
x = rng.standard_normal((100, a.d), dtype=np.float32)[rng.integers(0, 100, a.n)] + rng.standard_normal((a.n, a.d), dtype=np.float32)
with tempfile.TemporaryDirectory() as folder:
    x.tofile(f"{folder}/x")
    for metric in ("euclidean", "cosine"):
        rows = []
        for _ in range(a.rounds):
            out = subprocess.run([a.program, f"{folder}/x", *map(str, (a.n, a.d, a.k, int(metric == "cosine"))), f"{folder}/i"], check=True,
                                 capture_output=True, text=True).stdout
            ours = np.fromfile(f"{folder}/i", np.int32).reshape(a.n, a.k)
            start = time.perf_counter()
            theirs = NearestNeighbors(n_neighbors=a.k, metric=metric, algorithm="brute").fit(x).kneighbors(return_distance=False)
            rows.append((json.loads(out)["seconds"], time.perf_counter() - start))
        agree = float(np.mean([len(np.intersect1d(p, q)) for p, q in zip(ours[:2000], theirs[:2000])])) / a.k
        rows = np.array(rows)
        print(f"{a.n} x {a.d}, k {a.k}, {metric}: ours {np.median(rows[:, 0]):.2f} s (minimum {rows[:, 0].min():.2f}), "
              f"scikit-learn {np.median(rows[:, 1]):.2f} s (minimum {rows[:, 1].min():.2f}), median ratio {np.median(rows[:, 1] / rows[:, 0]):.2f}; "
              f"the same neighbours {100 * agree:.3f} %", flush=True)
