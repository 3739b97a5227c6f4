"""UMAP beside umap-learn, interleaved: seconds, share of the true neighbours found, and trustworthiness.

Run: build/oracle-venv/bin/python tests/bench/embedding.py BUILD/bin/bench_umap [--rounds 3] [--n 70000] [--d 128] [--threads 2] [--cpu]
Data: the first --d principal components of Fashion-MNIST's images where Debian's dataset-fashion-mnist is installed, else a Gaussian mixture of 100
components. umap-learn has no random_state, so that it may use all threads, and runs once on few rows first, so that numba's compilation is left out;
OPENBLAS_CORETYPE is unset (for OpenBLAS: its fastest kernel). With --cpu processor time on one thread, for machines that others use too. Neighbours found are judged on 1000 rows, trustworthiness (15 neighbours) on 5000.
"""
import argparse, gzip, json, os, subprocess, tempfile, time, warnings

parser = argparse.ArgumentParser()
parser.add_argument("program")
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--n", type=int, default=70_000)
parser.add_argument("--d", type=int, default=128)
parser.add_argument("--threads", default="2")
parser.add_argument("--cpu", action="store_true")
a = parser.parse_args()
clock, seconds = (time.process_time, "cpu_seconds") if a.cpu else (time.perf_counter, "seconds")
os.environ.pop("OPENBLAS_CORETYPE", None)
for variable in ("BENCH_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1" if a.cpu else a.threads
import numpy as np
import umap
from sklearn.manifold import trustworthiness

warnings.filterwarnings("ignore")
IMAGES = "/usr/share/datasets/fashion-mnist/{}-images-idx3-ubyte.gz"
K = 14  # of 15 neighbours, the row itself counted

rng = np.random.default_rng(0)
if os.path.exists(IMAGES.format("train")):
    parts = [np.frombuffer(gzip.open(IMAGES.format(part)).read(), np.uint8, offset=16).reshape(-1, 784) for part in ("train", "t10k")]
    x = np.concatenate(parts)[: a.n].astype(np.float32) / 255
    x -= x.mean(0)
    x = np.ascontiguousarray(x @ np.linalg.eigh(x.T @ x)[1][:, ::-1][:, : a.d], np.float32)
    what = "Fashion-MNIST's principal components"
else:
    x = rng.standard_normal((100, a.d), dtype=np.float32)[rng.integers(0, 100, a.n)] + rng.standard_normal((a.n, a.d), dtype=np.float32)
    what = "a mixture of 100"
n, d = x.shape
probe, sample = rng.choice(n, min(n, 1000), replace=False), rng.choice(n, min(n, 5000), replace=False)
square = (x * x).sum(1)[None] - 2 * x[probe] @ x.T
square[np.arange(len(probe)), probe] = np.inf
exact = np.argpartition(square, K, 1)[:, :K]


def found(index):
    return float(np.mean([len(np.intersect1d(p, q)) / K for p, q in zip(index[probe], exact)]))


def trust(points):
    return float(trustworthiness(x[sample], points[sample], n_neighbors=15))


umap.UMAP(n_neighbors=15).fit(x[:5000])
rows = []
with tempfile.TemporaryDirectory() as folder:
    x.tofile(f"{folder}/x")
    for _ in range(a.rounds):
        out = subprocess.run([a.program, "embed", f"{folder}/x", str(n), str(d), f"{folder}/points", f"{folder}/index"], check=True,
                             capture_output=True, text=True).stdout
        ours = json.loads(out)
        start = clock()
        model = umap.UMAP(n_neighbors=15).fit(x)
        theirs = clock() - start
        index = np.fromfile(f"{folder}/index", np.int32).reshape(n, K)
        rows.append((ours[seconds], theirs, found(index), found(model._knn_indices[:, 1:]),
                     trust(np.fromfile(f"{folder}/points", np.float32).reshape(n, 2)), trust(model.embedding_)))
        print("  ours {:.2f} s, umap-learn {:.2f} s".format(*rows[-1][:2]), flush=True)
r = np.array(rows)
m = np.median(r, 0)
print(f"{n} x {d}, {what}: ours {m[0]:.2f} s (minimum {r[:, 0].min():.2f}), umap-learn {m[1]:.2f} s (minimum {r[:, 1].min():.2f}), "
      f"median ratio {np.median(r[:, 1] / r[:, 0]):.1f}; neighbours found {100 * m[2]:.2f} %, {100 * m[3]:.2f} %; trustworthiness {m[4]:.4f}, {m[5]:.4f}", flush=True)
