"""Numbers of umap-learn and scikit-learn for embedding_oracle_test.cpp; prints one JSON value.

Run: build/oracle-venv/bin/python tests/oracle/embedding.py                                curves, fuzzy set and UMAP of scikit-learn's digits
     build/oracle-venv/bin/python tests/oracle/embedding.py trustworthiness FEATURES N D POINTS K    of a map [N, 2], both files raw float32
Prints {"missing": "umap-learn"} where that is not installed.
"""
import json
import os
import sys
import warnings

for variable in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "2")
import numpy as np
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

warnings.filterwarnings("ignore")


def short(values):
    return [float(f"{v:.9g}") for v in np.asarray(values, np.float64).ravel()]  # nine digits give a float32 back


def reference():
    try:
        import umap
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set
    except ImportError:
        return {"missing": "umap-learn"}
    x = load_digits().data.astype(np.float32)
    n, neighbors = len(x), 15
    distance, index = NearestNeighbors(n_neighbors=neighbors - 1).fit(x).kneighbors()  # each row itself left out
    with_itself = np.hstack([np.arange(n)[:, None], index]), np.hstack([np.zeros((n, 1)), distance]).astype(np.float32)
    graph, _, _ = fuzzy_simplicial_set(x, neighbors, np.random.RandomState(0), "euclidean", knn_indices=with_itself[0], knn_dists=with_itself[1])
    graph = graph.tocsr()
    graph.sort_indices()
    points = umap.UMAP(n_neighbors=neighbors, random_state=0, precomputed_knn=(*with_itself, None)).fit_transform(x)
    curves = [{"min_dist": m, "spread": s, "a": float(a), "b": float(b)}
              for m, s in ((0.1, 1.0), (0.0, 1.0), (0.5, 1.0), (0.99, 1.0), (0.25, 2.0)) for a, b in [find_ab_params(s, m)]]
    return {"n": n, "d": x.shape[1], "neighbors": neighbors, "x": short(x), "index": index.ravel().tolist(), "distance": short(distance),
            "begin": graph.indptr.tolist(), "other": graph.indices.tolist(), "weight": short(graph.data), "curves": curves,
            "trustworthiness": float(trustworthiness(x, points, n_neighbors=15))}


def judge(features, n, d, points, k):
    x, y = np.fromfile(features, np.float32).reshape(int(n), int(d)), np.fromfile(points, np.float32).reshape(int(n), 2)
    return {"trustworthiness": float(trustworthiness(x, y, n_neighbors=int(k)))}


print(json.dumps(judge(*sys.argv[2:]) if len(sys.argv) > 1 else reference()))
