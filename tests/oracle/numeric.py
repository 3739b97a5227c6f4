"""Numbers of scikit-learn and SciPy for numeric_oracle_test.cpp: prints one JSON object with the inputs and their answers.

Run: build/oracle-venv/bin/python tests/oracle/numeric.py
"""
import json
import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "2")
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import entropy
from sklearn import metrics
from sklearn.cluster import KMeans
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

warnings.filterwarnings("ignore")
rng = np.random.default_rng(0)


def scored(name, prediction, labels, clusters, classes):
    prediction, labels = np.asarray(prediction), np.asarray(labels)
    table = np.zeros((clusters, classes), np.int64)
    np.add.at(table, (prediction, labels), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(labels, prediction)
    sizes = table.sum(1)
    return {
        "name": name, "prediction": prediction.tolist(), "labels": labels.tolist(), "clusters": clusters, "classes": classes,
        "acc": float(table[rows, columns].sum() / len(labels)),
        "nmi": metrics.normalized_mutual_info_score(labels, prediction),
        "ari": metrics.adjusted_rand_score(labels, prediction),
        "ami": metrics.adjusted_mutual_info_score(labels, prediction),
        "emi": float(expected_mutual_information(contingency_matrix(labels, prediction, sparse=True), len(labels))),
        "purity": float(table.max(1).sum() / len(labels)),
        "homogeneity": homogeneity, "completeness": completeness, "v_measure": v,
        "entropy_nats": float(entropy(sizes)), "empty": int((sizes == 0).sum()), "largest": float(sizes.max() / len(labels)),
    }


def noisy(n, clusters, classes, right):
    labels = rng.integers(0, classes, n)
    return np.where(rng.random(n) < right, labels % clusters, rng.integers(0, clusters, n)), labels


scores = [
    scored("random", rng.integers(0, 10, 2000), rng.integers(0, 10, 2000), 10, 10),
    scored("good", *noisy(2000, 10, 10, 0.8), 10, 10),
    scored("more clusters", *noisy(1500, 35, 10, 0.5), 35, 10),
    scored("fewer clusters", *noisy(1500, 4, 20, 0.6), 4, 20),
    scored("many small", *noisy(1200, 200, 150, 0.4), 200, 150),
    scored("skewed", np.minimum(rng.geometric(0.3, 2000) - 1, 19), np.minimum(rng.geometric(0.15, 2000) - 1, 29), 20, 30),
    scored("large overlaps", *noisy(3000, 2, 3, 0.7), 2, 3),
    scored("overlap must be", np.r_[np.zeros(95, int), np.ones(5, int)], np.r_[np.ones(3, int), np.zeros(97, int)], 2, 2),
    scored("one cluster", np.zeros(50, int), rng.integers(0, 5, 50), 3, 5),
    scored("one class", rng.integers(0, 5, 50), np.zeros(50, int), 5, 2),
    scored("both single", np.zeros(50, int), np.full(50, 1), 2, 2),
    scored("singletons on both sides", np.arange(40), rng.permutation(40), 40, 40),
    scored("singletons", np.arange(40), rng.integers(0, 4, 40), 40, 4),
    scored("independent", np.tile([0, 1, 2], 40), np.repeat([0, 1, 2, 3], 30), 3, 4),
    scored("perfect", np.arange(90) % 9, (np.arange(90) % 9 + 4) % 9, 9, 9),
    scored("one sample", [0], [0], 1, 1),
    scored("two samples", [0, 1], [0, 0], 2, 1),
]

assignments = []
for rows, columns, high in ((60, 60, 10**9), (60, 60, 4), (40, 90, 1000), (90, 40, 1000), (1, 30, 50), (120, 120, 30)):
    cost = rng.integers(-high, high, (rows, columns))
    case = {"rows": rows, "columns": columns, "cost": cost.ravel().tolist()}
    for key, maximize in (("least", False), ("greatest", True)):
        r, c = linear_sum_assignment(cost, maximize=maximize)
        case[key] = int(cost[r, c].sum())
    assignments.append(case)

def short(values):
    return [float(f"{v:.9g}") for v in np.asarray(values, np.float64).ravel()]  # nine digits give a float32 back


clusterings = []
for n, d, k, noise, shift in ((600, 8, 5, 0.6, 0.0), (900, 33, 20, 0.8, 0.0), (700, 5, 40, 1.0, 30.0), (400, 3, 17, 1.0, -5.0)):
    means = rng.standard_normal((k, d))
    x = (means[rng.integers(0, k, n)] + noise * rng.standard_normal((n, d)) + shift).astype(np.float32)
    start = x[rng.choice(n, k, replace=False)]
    case = {"n": n, "d": d, "k": k, "x": short(x), "start": short(start), "runs": []}
    for iterations, tolerance in ((1, 0.0), (7, 0.0), (300, 0.0), (300, 1e-2)):
        m = KMeans(k, init=start, n_init=1, max_iter=iterations, tol=tolerance, algorithm="lloyd").fit(x)
        case["runs"].append({"max_iterations": iterations, "tolerance": tolerance, "inertia": float(m.inertia_), "iterations": int(m.n_iter_),
                             "labels": m.labels_.tolist()})
    clusterings.append(case)

# What a good start is worth: mean inertia over seeds of the whole method (greedy k-means++, one start, default tolerance).
means = rng.standard_normal((30, 6)) * 3
x = (means[rng.integers(0, 30, 1500)] + 0.5 * rng.standard_normal((1500, 6))).astype(np.float32)
whole = {"n": 1500, "d": 6, "k": 30, "x": short(x),
         "inertias": [float(KMeans(30, n_init=1, random_state=s).fit(x).inertia_) for s in range(20)]}

# Six classes of 60 rows, of which one column spans far more than what parts the classes of a pair: scikit-learn in float64 finds them (not in float32).
far = []
for span in (1e3, 1e4, 1e6):
    group = np.repeat(np.arange(6), 60)
    x = 0.0105 * rng.standard_normal((360, 48))
    x[:, 0] += span / 2 * (group // 2)
    x[:, 1] += 0.25 * (group % 2)
    x = x.astype(np.float32)
    far.append({"n": 360, "d": 48, "k": 6, "x": short(x), "inertia": float(KMeans(6, n_init=10, random_state=0).fit(x.astype(np.float64)).inertia_)})

print(json.dumps({"scores": scores, "assignments": assignments, "clusterings": clusterings, "whole": whole, "far": far}))
