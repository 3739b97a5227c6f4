"""k-means beside scikit-learn, interleaved: Lloyd's iterations from the same centres (tolerance 0, equal inertia asserted), and greedy k-means++.

Run: build/oracle-venv/bin/python tests/bench/kmeans.py BUILD/bin/bench_kmeans [--rounds 3] [--seeding] [--sizes 0,1,2]
--threads (2) threads on both sides; with --cpu processor time on one thread, for machines that others use too. OPENBLAS_CORETYPE is unset (for
scikit-learn's own OpenBLAS: its fastest kernel). Data: a Gaussian mixture of 2 k overlapping components, noisy enough that a dozen iterations do not converge.
An iteration's time is (t(--iterations) - t(2)) over their number, so that reading, checking and start are left out. `plain` computes every distance; `pruned`
leaves out what the triangle inequality decides. The whole call is one of at most --whole iterations.
"""
import argparse, json, os, subprocess, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--seeding", action="store_true")
parser.add_argument("--sizes", default="0,1,2")
parser.add_argument("--threads", default="2")
parser.add_argument("--cpu", action="store_true")
parser.add_argument("--iterations", type=int, default=12)
parser.add_argument("--whole", type=int, default=40, help="iterations of the whole call; 0: left out")
a = parser.parse_args()
threads = "1" if a.cpu else a.threads
os.environ.pop("OPENBLAS_CORETYPE", None)
for variable in ("BENCH_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = threads
if a.cpu:
    os.environ["BENCH_CPU"] = "1"
clock = time.process_time if a.cpu else time.perf_counter
import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus
import warnings

warnings.filterwarnings("ignore")
SIZES = [(50_000, 512, 10), (50_000, 512, 100), (65_000, 384, 1000)]


def mixture(n, d, k, seed=0):
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((2 * k, d)).astype(np.float32)
    return means[rng.integers(0, 2 * k, n)] + (2.0 if k >= 100 else 6.0) * rng.standard_normal((n, d), dtype=np.float32)


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
            return r["seconds"], r["inertia"], r["iterations"]

        def peer(iterations):
            start = clock()
            m = KMeans(k, init=centres, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd").fit(x)
            return clock() - start, m.inertia_, m.n_iter_

        rows = []
        for _ in range(a.rounds):
            row = {}
            for name, f in (("plain", lambda i: lloyd(0, i)), ("pruned", lambda i: lloyd(1, i)), ("sklearn", peer)):
                many, few = f(a.iterations), f(2)
                row[name] = (many[0] - few[0]) * 1e3 / (many[2] - few[2])
                row[name + " whole"], row[name + " inertia"], row[name + " iterations"] = f(a.whole) if a.whole else many
            rows.append(row)
        for name in ("plain", "pruned"):
            assert abs(rows[0][name + " inertia"] / rows[0]["sklearn inertia"] - 1) < 1e-4, rows[0]
        med = lambda key: float(np.median([r[key] for r in rows]))
        ratio = lambda p, q: float(np.median([r[p] / r[q] for r in rows]))
        print(f"{n} x {d} x {k}: ms an iteration: plain {med('plain'):.1f}, pruned {med('pruned'):.1f}, sklearn {med('sklearn'):.1f} "
              f"(minima {min(r['plain'] for r in rows):.1f} {min(r['pruned'] for r in rows):.1f} {min(r['sklearn'] for r in rows):.1f}); "
              f"ratio {ratio('sklearn', 'plain'):.2f}, {ratio('sklearn', 'pruned'):.2f}; whole call: plain {med('plain whole'):.2f} s, pruned {med('pruned whole'):.2f} s, "
              f"sklearn {med('sklearn whole'):.2f} s, ratio {ratio('sklearn whole', 'pruned whole'):.2f}; iterations {rows[0]['pruned iterations']} {rows[0]['sklearn iterations']}, "
              f"inertia {rows[0]['pruned inertia']:.8g} {rows[0]['sklearn inertia']:.8g}", flush=True)
        if a.seeding:
            times, values = [], []
            for seed in range(a.rounds if k < 1000 else 1):
                r = ours("seed", f"{folder}/x", n, d, k, seed)
                start = clock()
                _, indices = kmeans_plusplus(x, k, random_state=seed)
                times.append((r["seconds"], clock() - start))
                values.append((potential(x, np.array(r["rows"])), potential(x, indices)))
            times, values = np.array(times), np.array(values)
            print(f"  seeding: ours {np.median(times[:, 0]):.2f} s, sklearn {np.median(times[:, 1]):.2f} s, ratio {np.median(times[:, 1] / times[:, 0]):.1f}; "
                  f"mean potential {values[:, 0].mean():.6g} {values[:, 1].mean():.6g}", flush=True)
