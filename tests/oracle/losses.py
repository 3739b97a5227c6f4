"""The losses of plugins/loss as plain PyTorch writes them, for losses_oracle_test.cpp: prints a JSON list of cases.

A case is a plugin, its parameters, its inputs (float32), the value in float64 and the gradients; none where the input is a constant.
Run: build/oracle-venv/bin/python tests/oracle/losses.py
"""
import itertools
import json

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(1)
cases = []


def randn(*shape, scale=1.0):
    return scale * torch.randn(shape, generator=generator)


def codes(*shape, hard=False):
    p = randn(*shape, scale=2).softmax(-1)
    return F.one_hot(p.argmax(-1), shape[-1]).float() if hard else p


def case(plugin, parameters, formula, trained, constants=None):
    """`trained` and `constants`: port to tensor, or to a list of tensors for a port that takes a list. The formula gets all of them by name."""
    inputs, tensors = [], {}
    for port, value in {**trained, **(constants or {})}.items():
        given = [t.double().requires_grad_(port in trained) for t in (value if isinstance(value, list) else [value])]
        tensors[port] = given if isinstance(value, list) else given[0]
        inputs += [(port, t) for t in given]
    loss = formula(**parameters, **tensors)
    grads = iter(torch.autograd.grad(loss, [t for _, t in inputs if t.requires_grad], allow_unused=True, materialize_grads=True))
    cases.append({"plugin": plugin, "parameters": parameters, "loss": loss.item(), "inputs": [
        {"port": port, "shape": list(t.shape), "values": t.flatten().tolist(), "grad": next(grads).flatten().tolist() if t.requires_grad else None}
        for port, t in inputs]})


def mean(terms):
    return torch.stack(list(terms)).mean(0)


def pairs(first, second):
    """Two views of two nodes, or all ordered pairs of different views."""
    return [(first[0], second[0])] if len(first) == 1 else [(first[i], second[j]) for i, j in itertools.permutations(range(len(first)), 2)]


def plogp(p):
    return torch.special.xlogy(p, p).sum()


# MoCo's pseudocode: positive first, then the queue; MoCo v3's: all keys of the batch.
def infonce(query, key, negatives=None, tau=0.2, normalise=True, batch_negatives=False):
    unit = (lambda x: F.normalize(x, dim=-1)) if normalise else (lambda x: x)

    def term(q, k):
        total = []
        for i in range(len(q)):
            positive = torch.dot(unit(q[i]), unit(k[i]))[None]
            others = [torch.dot(unit(q[i]), unit(k[j]))[None] for j in range(len(k)) if batch_negatives and j != i]
            queue = [] if negatives is None else [unit(negatives[0]) @ unit(q[i])]
            total.append(-F.log_softmax(torch.cat([positive, *others, *queue]) / tau, 0)[0])
        return mean(total)

    return mean(term(q, k) for q, k in pairs(query, key))


for views, queue, parameters in ((1, 20, {}), (1, 20, {"tau": 0.07}), (2, 20, {"batch_negatives": True}), (2, 20, {"normalise": False, "tau": 1.0}),
                                 (3, None, {"batch_negatives": True, "tau": 0.5}), (2, 0, {"batch_negatives": True}), (1, 0, {})):
    case("loss.infonce", parameters, infonce, {"query": randn(views, 12, 8)},
         {"key": randn(views, 12, 8), **({} if queue is None else {"negatives": randn(1, queue, 8)})})


# CDC as this project reconstructs it: each query against the keys of one view and the queue; small crops meet every view.
def cdc(cluster, instance, codes, key_instance=None, queue_codes=None, queue_instance=None, crop_cluster=None, crop_instance=None, tau_c=0.2, tau_n=0.2,
        normalise="l2", use_instance=True, swap_weight=0.0, swap_temperature=0.1):
    def term(z, n, view):
        q = {"l2": F.normalize(z, dim=1), "softmax": z.softmax(1), "none": z}[normalise]
        k, m = codes[view], (instance if key_instance is None else key_instance)[view]
        if queue_codes is not None:
            k = torch.cat([k, queue_codes[0]])
            m = torch.cat([m, queue_instance[0]]) if use_instance else m
        s = q @ k.T / tau_c + (n @ m.T / tau_n if use_instance else 0)
        swapped = z.softmax(1).log() if normalise == "softmax" else (q / swap_temperature).log_softmax(1)
        return F.cross_entropy(s, torch.arange(len(q))) - swap_weight * (codes[view] * swapped).sum(1).mean()

    terms = [term(cluster[i], instance[i], j) for i, j in itertools.permutations(range(len(cluster)), 2)]
    if crop_cluster is not None:
        terms += [term(z, n, j) for z, n in zip(crop_cluster, crop_instance) for j in range(len(cluster))]
    return mean(terms)


def directions(*shape):
    return F.normalize(randn(*shape), dim=-1)


for views, crops, keys, queue, parameters in (
        (2, 0, False, None, {}), (2, 0, True, 20, {"normalise": "softmax", "swap_weight": 1.0}), (2, 2, False, None, {"normalise": "softmax", "swap_weight": 1.0}),
        (3, 1, True, 7, {"swap_weight": 0.5, "tau_n": 0.5}), (2, 3, True, 0, {"normalise": "none", "tau_c": 0.5})):
    case("loss.cdc", parameters, cdc,
         {"cluster": randn(views, 10, 5), "instance": directions(views, 10, 6),
          **({"crop_cluster": randn(crops, 10, 5), "crop_instance": directions(crops, 10, 6)} if crops else {})},
         {"codes": codes(views, 10, 5), **({"key_instance": directions(views, 10, 6)} if keys else {}),
          **({} if queue is None else {"queue_codes": codes(1, queue, 5), "queue_instance": directions(1, queue, 6)})})


def byol(prediction, target):
    return mean((F.normalize(p, dim=1) - F.normalize(z, dim=1)).square().sum(1).mean() for p, z in pairs(prediction, target))


def simsiam(prediction, target):
    return 2 + 2 * mean(-F.cosine_similarity(p, z, dim=1).mean() for p, z in pairs(prediction, target))


for views, formula in ((1, byol), (2, byol), (3, byol), (2, simsiam)):
    case("loss.cosine", {}, formula, {"prediction": randn(views, 12, 8)}, {"target": randn(views, 12, 8)})


def barlow_twins(embedding, **parameters):
    weight = parameters.get("lambda", 0.0051)
    a, b = (F.batch_norm(z, None, None, training=True, eps=1e-5) for z in embedding)
    c = torch.einsum("bi,bj->ij", a, b) / len(a)
    target = torch.eye(len(c), dtype=c.dtype)
    return ((c - target).square() * torch.where(target == 1, 1.0, weight)).sum()


constant_feature = randn(2, 24, 8)
constant_feature[:, :, 3] = 0.5
for parameters, embedding in (({}, randn(2, 24, 8)), ({"lambda": 0.5}, randn(2, 24, 8)), ({"lambda": 1.0}, constant_feature)):
    case("loss.barlow_twins", parameters, barlow_twins, {"embedding": embedding})


def swav(logits, codes, tau=0.1):
    """As in SwAV's code: for each view with codes the mean over all other views; then the mean over those."""
    views = [v for one in logits for v in one]
    return mean(mean(F.cross_entropy(v / tau, q) for j, v in enumerate(views) if j != i) for i, q in enumerate(codes))


for views, parameters, hard in (((2,), {}, False), ((2, 3), {}, False), ((2, 1, 2), {"tau": 0.5}, True), ((1, 4), {"tau": 0.2}, False),
                                ((3,), {}, True)):
    case("loss.swapped", parameters, swav, {"logits": [randn(v, 12, 6, scale=0.3) for v in views]}, {"codes": codes(views[0], 12, 6, hard=hard)})


def contrastive_clustering(logits, tau=1.0, entropy_weight=1.0):
    columns = [[p.softmax(1)[:, k] for k in range(p.shape[1])] for p in logits]
    terms = []
    for a, b in itertools.permutations(range(len(columns)), 2):
        for k, column in enumerate(columns[a]):
            similar = {(v, m): F.cosine_similarity(column, other, dim=0) / tau
                       for v, view in enumerate(columns) for m, other in enumerate(view) if (v, m) != (a, k)}
            terms.append(torch.logsumexp(torch.stack(list(similar.values())), 0) - similar[b, k])
    sizes = [torch.stack([c.sum() for c in view]) for view in columns]
    return mean(terms) + entropy_weight * sum(plogp(s / s.sum()) for s in sizes)


for views, parameters in ((2, {}), (2, {"tau": 0.5, "entropy_weight": 0.0}), (2, {"entropy_weight": 3.0}), (3, {})):
    case("loss.cluster_contrast", parameters, contrastive_clustering, {"logits": randn(views, 16, 5, scale=2)})


def iic(logits, **parameters):
    weight = parameters.get("lambda", 1.0)
    p = [v.softmax(1) for v in logits]
    joint = mean(torch.einsum("bi,bj->ij", a, b) / len(a) for a, b in itertools.combinations(p, 2))
    joint = (joint + joint.t()) / 2
    joint = joint / joint.sum()
    rows, columns = joint.sum(1, keepdim=True), joint.sum(0, keepdim=True)
    return -(joint * (joint.log() - weight * rows.log() - weight * columns.log())).sum()


for views, parameters in ((2, {}), (2, {"lambda": 1.5}), (3, {})):
    case("loss.iic", parameters, iic, {"logits": randn(views, 16, 5, scale=2)})


def imsat(logits, marginal_weight=4.0):
    p = logits.softmax(-1).reshape(-1, logits.shape[-1])
    return -plogp(p) / len(p) + marginal_weight * plogp(p.mean(0))


for views, parameters in ((1, {}), (2, {}), (1, {"marginal_weight": 1.0})):
    case("loss.mutual_information", parameters, imsat, {"logits": randn(views, 16, 5, scale=2)})


def scan(anchor, neighbor, entropy_weight=5.0):
    p, other = anchor.softmax(-1).flatten(0, 1), neighbor.softmax(-1).flatten(0, 1)
    similarity = torch.bmm(p[:, None, :], other[:, :, None]).flatten()
    return F.binary_cross_entropy(similarity, torch.ones_like(similarity)) + entropy_weight * plogp(p.mean(0))


for views, parameters in ((1, {}), (2, {}), (1, {"entropy_weight": 2.0})):
    case("loss.scan", parameters, scan, {"anchor": randn(views, 16, 5, scale=2), "neighbor": randn(views, 16, 5, scale=2)})


def hard_labels(logits, codes, class_weights="none"):
    """SCAN's self-labelling: labels of the confident, weights n / n_k of the classes that are there."""
    codes = codes.expand_as(logits)
    used = codes.sum(-1) > 0
    labels, weight = codes[used].argmax(-1), None
    if class_weights == "batch":
        weight = torch.ones(logits.shape[-1], dtype=logits.dtype)
        present, counts = labels.unique(return_counts=True)
        weight[present] = len(labels) / counts.to(logits.dtype)
    return F.cross_entropy(logits[used], labels, weight=weight)


def soft_labels(logits, codes, class_weights="none"):
    codes = codes.expand_as(logits)
    used = codes.sum(-1) > 0
    if class_weights == "none":
        return F.cross_entropy(logits[used], codes[used])
    t, log_p = codes[used], F.log_softmax(logits[used], -1)
    return mean(-(t[:, k] * log_p[:, k]).sum() / t[:, k].sum() for k in range(t.shape[1]) if t[:, k].sum() > 0)


for views, of, class_weights, hard in itertools.product((1, 2), (1, 2), ("none", "batch"), (False, True)):
    if of <= views:
        targets = codes(of, 16, 5, hard=hard)
        targets[:, 3:7] = 0
        targets[:, :, 2] = 0  # a class that is not there; hard rows of it are left out too
        if not hard:
            targets = F.normalize(targets, p=1, dim=-1)
        case("loss.cross_entropy", {"class_weights": class_weights}, hard_labels if hard else soft_labels, {"logits": randn(views, 16, 5, scale=2)},
             {"codes": targets})


def squared_error(reconstruction, target):
    return sum((r - target[v % len(target)]).square().sum() for v, r in enumerate(reconstruction)) / reconstruction.numel()


for views, of in ((1, 1), (3, 3), (3, 1)):
    case("loss.mse", {}, squared_error, {"reconstruction": randn(views, 4, 3, 5, 6)}, {"target": randn(of, 4, 3, 5, 6)})


def kl(prediction, target):
    return sum(F.kl_div(F.log_softmax(p, -1), target[v % len(target)], reduction="batchmean") for v, p in enumerate(prediction))


for views, of, hard in itertools.product((1, 3), (1, 3), (False, True)):
    if of <= views:
        case("loss.kl", {}, kl, {"prediction": randn(views, 16, 5, scale=2)}, {"target": codes(of, 16, 5, hard=hard)})


def proto_nce(embedding, prototypes, codes):
    """PCL's second part, equation 11: prototypes come divided by their concentrations."""
    return mean(F.cross_entropy(v @ c[0].t(), own[0].argmax(-1)) for c, own in zip(prototypes, codes) for v in embedding)


for views, clusters in ((1, (6,)), (2, (6,)), (2, (4, 9))):
    case("loss.prototype_contrast", {}, proto_nce, {"embedding": F.normalize(randn(views, 12, 8), dim=-1)},
         {"prototypes": [randn(1, k, 8, scale=5) for k in clusters], "codes": [codes(1, 12, k, hard=True) for k in clusters]})

for weights in ([], [0.5, 3.0]):
    case("loss.sum", {"weights": weights}, lambda losses, weights: sum(l * w for l, w in zip(losses, weights or [1, 1])), {"losses": [randn(), randn()]})

print(json.dumps(cases))
