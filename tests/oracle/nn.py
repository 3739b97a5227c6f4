"""Numbers of PyTorch for nn_oracle_test.cpp: prints one JSON object.

Inputs and weights are formulas of an index, the same on both sides, so that nothing but results is exchanged.
Run: build/oracle-venv/bin/python tests/oracle/nn.py
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def numbers(shape, phase):
    count = math.prod(shape)
    return torch.sin(torch.arange(count, dtype=torch.float64) * 12.9898 + phase).reshape(shape)


def cdc_loss(case, cluster, instance, codes):
    """CDC's loss for two views as plain PyTorch writes it; codes are constants."""
    softmax, total = case["normalise"] == "softmax", 0
    q = [c.softmax(1) if softmax else F.normalize(c, dim=1) for c in cluster]
    own = torch.arange(cluster.shape[1])
    for i, j in ((0, 1), (1, 0)):
        s = q[i] @ codes[j].t() / case["tau_c"]
        if case["use_instance"]:
            s = s + instance[i] @ instance[j].t() / case["tau_n"]
        total = total + F.cross_entropy(s, own) / 2
        log_q = (q[i] + 1e-8).log() if softmax else F.log_softmax(q[i] / 0.1, 1)
        total = total - case["swap_weight"] * (codes[j] * log_q).sum(1).mean() / 2
    return total


def sinkhorn(scores, epsilon, iterations=3):
    b, k = scores.shape
    q = scores.double() / epsilon
    for _ in range(iterations):
        q = q - q.logsumexp(0, keepdim=True) - math.log(k)
        q = q - q.logsumexp(1, keepdim=True) - math.log(b)
    return (q + math.log(b)).exp()


def cdc_cases():
    out = []
    for normalise in ("softmax", "l2"):
        for use_instance in (True, False):
            for swap_weight in (0.0, 1.0):
                case = {"normalise": normalise, "use_instance": use_instance, "swap_weight": swap_weight, "tau_c": 0.2, "tau_n": 0.3}
                cluster = (2 * numbers((2, 64, 10), 0)).float().requires_grad_()
                instance = F.normalize(numbers((2, 64, 16), 1), dim=2).float().requires_grad_()
                with torch.no_grad():
                    q = cluster.softmax(2) if normalise == "softmax" else F.normalize(cluster, dim=2)
                    codes = torch.stack([sinkhorn(v, 0.05) for v in q]).float()
                loss = cdc_loss(case, cluster, instance, codes)
                loss.backward()
                out.append({"case": case, "codes": codes.flatten().tolist(), "loss": loss.item(), "cluster_grad": cluster.grad.flatten().tolist(),
                            "instance_grad": instance.grad.flatten().tolist() if use_instance else []})
    return out


def ntxent_case(tau):
    z = numbers((2, 48, 12), 3).float().requires_grad_()
    u = F.normalize(z.reshape(96, 12), dim=1)
    s = (u @ u.t() / tau).masked_fill(torch.eye(96, dtype=torch.bool), -torch.inf)
    loss = F.cross_entropy(s, (torch.arange(96) + 48) % 96)
    loss.backward()
    return {"tau": tau, "loss": loss.item(), "grad": z.grad.flatten().tolist()}


def phase(name):
    return sum(map(ord, name)) % 97


class Weights(dict):
    """Makes each tensor when it is first asked for, by its name."""

    def conv(self, name, shape):
        self[name] = list(shape)
        return numbers(shape, phase(name)) * math.sqrt(4 / math.prod(shape[1:]))

    def norm(self, x, name, training):
        c = (x.shape[1],)
        w, b, m, v = (numbers(c, phase(f"{name}.{part}")) for part in ("weight", "bias", "running_mean", "running_var"))
        for part in ("weight", "bias", "running_mean", "running_var"):
            self[f"{name}.{part}"] = list(c)
        return F.batch_norm(x, 0.1 * m, 1 + 0.5 * v, 1 + 0.2 * w, 0.1 * b, training, 0.1, 1e-5)


def resnet(layers, bottleneck, cifar, training, x):
    """Deep residual network, arXiv 1512.03385, with the stride of a bottleneck in its 3x3 convolution. In float64: with these weights
    normalisation over a batch of four magnifies rounding. An input changed by 1e-15 of itself moves ResNet-50's features by 2e-5 of the largest, and
    PyTorch's own float32 is .2 % (ResNet-18) to 17 % (ResNet-50) away from its float64."""
    w = Weights()

    def conv(x, name, out, kernel, stride=1):
        return F.conv2d(x, w.conv(f"{name}.weight", (out, x.shape[1], kernel, kernel)), stride=stride, padding=kernel // 2)

    x = conv(x, "conv1", 64, 3) if cifar else conv(x, "conv1", 64, 7, 2)
    x = w.norm(x, "bn1", training).relu()
    if not cifar:
        x = F.max_pool2d(x, 3, 2, 1)
    for layer, blocks in enumerate(layers, 1):
        width = 32 << layer
        out = width * (4 if bottleneck else 1)
        for block in range(blocks):
            stride = 2 if layer > 1 and block == 0 else 1
            name = f"layer{layer}.{block}"
            plan = [(width, 1, 1), (width, 3, stride), (out, 1, 1)] if bottleneck else [(width, 3, stride), (out, 3, 1)]
            y = x
            for i, (c, kernel, s) in enumerate(plan, 1):
                y = w.norm(conv(y, f"{name}.conv{i}", c, kernel, s), f"{name}.bn{i}", training)
                if i < len(plan):
                    y = y.relu()
            if stride != 1 or x.shape[1] != out:
                x = w.norm(conv(x, f"{name}.downsample.0", out, 1, stride), f"{name}.downsample.1", training)
            x = (x + y).relu()
    return x.mean((2, 3)), dict(w)


def resnet_cases():
    out = []
    for plugin, layers, bottleneck in (("resnet18", (2, 2, 2, 2), False), ("resnet34", (3, 4, 6, 3), False), ("resnet50", (3, 4, 6, 3), True)):
        for cifar, channels, side, training in ((True, 1, 28, False), (False, 3, 64, True)):
            x = numbers((4, channels, side, side), 5)
            with torch.no_grad():
                features, tensors = resnet(layers, bottleneck, cifar, training, x)
            out.append({"plugin": "backbone." + plugin, "cifar": cifar, "channels": channels, "side": side, "training": training,
                        "tensors": tensors, "features": features.flatten().tolist()})
    return out


def optimizer_cases():
    out = []
    for plugin, parameters, make in (
        ("sgd", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
         lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        ("adam", {"lr": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1)),
        ("adamw", {"lr": 0.01, "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1)),
    ):
        p = numbers((10, 20), 7).float().requires_grad_()
        optimizer = make([p])
        for step in range(20):
            p.grad = (0.3 * numbers((10, 20), 100 + step)).float()
            optimizer.step()
        out.append({"plugin": "optimizer." + plugin, "parameters": parameters, "result": p.detach().flatten().tolist()})
    return out


print(json.dumps({"torch": torch.__version__, "cdc": cdc_cases(), "ntxent": [ntxent_case(0.5), ntxent_case(0.1)], "resnet": resnet_cases(),
                  "optimizer": optimizer_cases()}))
