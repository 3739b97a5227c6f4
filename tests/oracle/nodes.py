"""Numbers of PyTorch and scikit-learn for nodes_oracle_test.cpp: prints one JSON object.

Inputs and weights are formulas of an index, the same on both sides, so that nothing but results is exchanged.
Run: build/oracle-venv/bin/python tests/oracle/nodes.py
"""
import json
import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

torch.set_num_threads(1)


def numbers(shape, phase):
    """The square of the index: rows and columns of a plain sine would depend on one another."""
    i = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(i * i * 0.61803 + i * 12.9898 + phase).reshape(shape)


def whitening():
    x = (numbers((300, 8), 0) * torch.tensor([9, 3, 3, 1, 1, 0.5, 0.2, 0.1], dtype=torch.float64) + 2).float()
    y = PCA(5, whiten=True, svd_solver="full").fit_transform(x.numpy().astype(np.float64))
    # Components have either sign, and scikit-learn divides by N - 1.
    return (np.abs(y) * math.sqrt(300 / 299)).flatten().tolist()


def neighbours():
    x = numbers((400, 16), 1).float().numpy()
    found = NearestNeighbors(n_neighbors=8, metric="cosine", algorithm="brute").fit(x.astype(np.float64)).kneighbors(return_distance=False)
    return np.sort(found, axis=1).flatten().tolist()


def decoder():
    """Channels [8, 6], kernels [5, 3], strides [2, 3], for images of 3 x 13 x 10: grids 7 x 5, then 3 x 2."""
    def weight(shape, phase):
        return 0.3 * numbers(shape, phase)

    def norm(x, phase):
        c = x.shape[1]
        return F.batch_norm(x, None, None, 1 + 0.2 * numbers((c,), phase), 0.1 * numbers((c,), phase + 1), True, 0.1, 1e-5).relu()

    x = F.linear(numbers((4, 10), 2), weight((36, 10), 10)).reshape(4, 6, 3, 2)
    x = F.conv_transpose2d(norm(x, 20), weight((6, 8, 3, 3), 11), stride=3, padding=1, output_padding=(0, 1))
    x = F.conv_transpose2d(norm(x, 30), weight((8, 3, 5, 5), 12), 0.1 * numbers((3,), 13), stride=2, padding=2, output_padding=(0, 1))
    assert x.shape == (4, 3, 13, 10)
    return x.flatten().tolist()


def adversarial():
    """Virtual adversarial images of a linear classifier, from a given noise."""
    x, w = numbers((5, 12), 3), numbers((12, 4), 4)
    noise = (0.1 * numbers((5, 12), 5)).requires_grad_()
    p = (x @ w).softmax(1)
    kl = (p * (p.log() - ((x + noise) @ w).log_softmax(1))).sum(1).mean()
    kl.backward()
    return (x + 2 * F.normalize(noise.grad, dim=1)).flatten().tolist()


print(json.dumps({"whitening": whitening(), "neighbours": neighbours(), "decoder": decoder(), "adversarial": adversarial()}))
