"""k-means beside scikit-learn, interleaved: Lloyd's iterations from the same centres (tolerance 0, equal inertia asserted), and greedy k-means++.

Run: build/oracle-venv/bin/python tests/bench/kmeans.py BUILD/bin/bench_kmeans [--rounds 3] [--seeding] [--sizes 0,1,2]
Two threads on both sides. OPENBLAS_CORETYPE is unset (for scikit-learn's own OpenBLAS: its fastest kernel). Data: a Gaussian mixture of 2 k overlapping
components. An iteration's time is (t(12 iterations) - t(2)) / 10, so that reading, checking and start are left out. `plain` computes every distance;
`pruned` leaves out what the triangle inequality decides. `all 40` is the time of 40 iterations as a whole.
"""
import argparse, json, os, subprocess, tempfile, time

for variable in ("OPENBLAS_CORETYPE",):
    os.environ.pop(variable, None)
os.environ["BENCH_THREADS"] = os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "2"
import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
import warnings

warnings.filterwarnings("ignore")
SIZES = [(50_000, 512, 10), (50_000, 512, 100), (65_000, 384, 1000)]
parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seeding", action="store_true")
parser.add_argument("--sizes", default="0,1,2")
a = parser.parse_args()


def mixture(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((2 * k, d)).astype(np.float32)
    return means[rng.integers(0, 2 * k, n)] + 2.0 * rng.standard_normal((n, d), dtype=np.float32)


def potential(x, rows):
    best = np.full(len(x), np.inf, np.float32)
    norms = (x * x).sum(1)
    for block in np.array_split(rows, max(1, len(rows) // 100)):
        best = np.minimum(best, (norms[:, None] - 2 * x @ x[block].T + norms[block][None]).min(1))
    return float(best.sum())


with tempfile.TemporaryDirectory() as folder:
    def ours(*arguments):
        return json.loads(subprocess.run([a.program, *map(str, arguments)], check=True, capture_output=True, text=True).stdout)

    for n, d, k in [SIZES[int(i)] for i in a.sizes.split(",")]:
        x = mixture(n, d, k)
        x.tofile(f"{folder}/x")
        centres = x[np.random.default_rng(1).choice(n, k, replace=False)]
        centres.tofile(f"{folder}/c")

        def lloyd(prune, iterations):
            r = ours("lloyd", f"{folder}/x", n, d, f"{folder}/c", k, iterations, prune)
            return r["seconds"], r["inertia"]

        def peer(iterations):
            start = time.perf_counter()
            m = KMeans(k, init=centres, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(x)
            return time.perf_counter() - start, m.inertia_

        rows = []
        for _ in range(a.rounds):
            row = {}
            for name, f in (("plain", lambda i: lloyd(0, i)), ("pruned", lambda i: lloyd(1, i)), ("sklearn", peer)):
                row[name] = (f(12)[0] - f(2)[0]) * 100  # ms an iteration
                row[name + " 40"], row[name + " inertia"] = f(40)
            rows.append(row)
        for name in ("plain", "pruned"):
            assert abs(rows[0][name + " inertia"] / rows[0]["sklearn inertia"] - 1) < 1e-4, rows[0]
        med = lambda key: float(np.median([r[key] for r in rows]))
        ratio = lambda p, q: float(np.median([r[p] / r[q] for r in rows]))
        print(f"{n} x {d} x {k}: ms an iteration: plain {med('plain'):.1f}, pruned {med('pruned'):.1f}, sklearn {med('sklearn'):.1f} "
              f"(minima {min(r['plain'] for r in rows):.1f} {min(r['pruned'] for r in rows):.1f} {min(r['sklearn'] for r in rows):.1f}); "
              f"ratio {ratio('sklearn', 'plain'):.2f}, {ratio('sklearn', 'pruned'):.2f}; all 40: plain {med('plain 40'):.2f} s, pruned {med('pruned 40'):.2f} s, "
              f"sklearn {med('sklearn 40'):.2f} s, ratio {ratio('sklearn 40', 'pruned 40'):.2f}; inertia {rows[0]['pruned inertia']:.8g} {rows[0]['sklearn inertia']:.8g}", flush=True)
        if a.seeding:
            times, values = [], []
            for seed in range(a.rounds if k < 1000 else 1):
                r = ours("seed", f"{folder}/x", n, d, k, seed)
                start = time.perf_counter()
                _, indices = kmeans_plusplus(x, k, random_state=seed)
                times.append((r["seconds"], time.perf_counter() - start))
                values.append((potential(x, np.array(r["rows"])), potential(x, indices)))
            times, values = np.array(times), np.array(values)
            print(f"  seeding: ours {np.median(times[:, 0]):.2f} s, sklearn {np.median(times[:, 1]):.2f} s, ratio {np.median(times[:, 1] / times[:, 0]):.1f}; "
                  f"mean potential {values[:, 0].mean():.6g} {values[:, 1].mean():.6g}", flush=True)
