"""Numbers of scikit-learn and SciPy for features_oracle_test.cpp: neighbours, clusterings, kNN and linear probe. Prints one JSON object.

Run: build/oracle-venv/bin/python tests/oracle/features.py
"""
import json
import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "2")
import numpy as np
from scipy.cluster.hierarchy import linkage
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans, SpectralClustering
from sklearn.datasets import make_blobs, make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)


def short(values):
    return [float(f"{v:.9g}") for v in np.asarray(values, np.float64).ravel()]  # nine digits give a float32 back


def blobs(n, d, k, noise, shift=0.0):
    means = rng.standard_normal((k, d))
    labels = rng.integers(0, k, n)
    return (means[labels] + noise * rng.standard_normal((n, d)) + shift).astype(np.float32), labels


neighbours = []
for n, d, k, shift in ((400, 16, 10, 0.0), (300, 50, 20, 5.0), (150, 3, 149, 0.0)):
    x, _ = blobs(n, d, 6, 0.7, shift)
    queries, _ = blobs(60, d, 6, 0.7, shift)
    case = {"n": n, "d": d, "k": k, "x": short(x), "queries": short(queries)}
    for metric in ("euclidean", "cosine"):
        m = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(x.astype(np.float64))
        for key, given in (("own", None), ("others", queries.astype(np.float64))):
            distance, index = m.kneighbors(given)
            case[f"{metric} {key}"] = {"index": index.ravel().tolist(), "distance": short(distance)}
    neighbours.append(case)

x, _ = blobs(4000, 12, 25, 0.4)
minibatch = {"n": 4000, "d": 12, "k": 20, "x": short(x),
             "inertias": [float(MiniBatchKMeans(20, batch_size=256, n_init=3, random_state=s).fit(x).inertia_) for s in range(20)]}

x, y = blobs(1500, 20, 8, 1.6, 0.5)
train = 1000
unit = x.astype(np.float64)
classifiers = {"n": 1500, "train": train, "d": 20, "classes": 8, "x": short(x), "labels": y.tolist(), "knn": [], "probe": []}
for k, t in ((20, 0.07), (200, 0.07), (50, 0.5)):
    weighted = KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=lambda d: np.exp((1 - d) / t))
    plain = KNeighborsClassifier(k, metric="cosine", algorithm="brute")
    classifiers["knn"].append({"k": k, "temperature": t, "weighted": weighted.fit(unit[:train], y[:train]).score(unit[train:], y[train:]),
                               "majority": plain.fit(unit[:train], y[:train]).score(unit[train:], y[train:])})
for c in (1e-3, 1.0, 100.0):
    for standardise in (True, False):
        a = StandardScaler().fit(unit[:train]).transform(unit) if standardise else unit
        m = LogisticRegression(C=c, max_iter=10000, tol=1e-8).fit(a[:train], y[:train])
        classifiers["probe"].append({"C": c, "standardise": standardise, "accuracy": m.score(a[train:], y[train:]),
                                     "weights": m.coef_.ravel().tolist()})


trees = []
x, _ = blobs(300, 10, 8, 0.8, 3.0)
for method in ("ward", "average", "complete", "single"):
    trees.append({"n": 300, "d": 10, "k": 6, "linkage": method, "x": short(x),
                  "labels": AgglomerativeClustering(6, linkage=method).fit_predict(x.astype(np.float64)).tolist(),
                  "heights": linkage(x.astype(np.float64), method)[:, 2].tolist(), "sizes": linkage(x.astype(np.float64), method)[:, 3].tolist()})



def eigenvalues(x, k, neighbors, gaussian):
    """The k largest of D^-1/2 W D^-1/2, by LAPACK."""
    m = NearestNeighbors(n_neighbors=neighbors).fit(x.astype(np.float64))
    w = m.kneighbors_graph(mode="connectivity").toarray()
    if gaussian:
        scale = m.kneighbors()[0][:, 6]
        distance = m.kneighbors_graph(mode="distance").toarray()
        w *= np.exp(-(distance**2) / np.outer(scale, scale))
    w = (w + w.T) / 2
    root = np.sqrt(w.sum(1))
    return np.linalg.eigvalsh(w / np.outer(root, root))[::-1][:k].tolist()


graphs = []
moons, which = make_moons(1000, noise=0.06, random_state=0)
groups, of = make_blobs(1500, centers=8, n_features=6, cluster_std=2.0, random_state=1)
for name, x, truth, k, neighbors in (("moons", moons, which, 2, 10), ("blobs", groups, of, 8, 15)):
    x = x.astype(np.float32)
    labels = SpectralClustering(k, affinity="nearest_neighbors", n_neighbors=neighbors + 1, random_state=0, n_init=10).fit_predict(x)
    graphs.append({"name": name, "n": len(x), "d": x.shape[1], "k": k, "neighbors": neighbors, "x": short(x), "labels": labels.tolist(),
                   "truth": truth.tolist(), "connectivity": eigenvalues(x, k, neighbors, False), "gaussian": eigenvalues(x, k, neighbors, True)})

print(json.dumps({"neighbours": neighbours, "minibatch": minibatch, "classifiers": classifiers, "trees": trees, "graphs": graphs}))
