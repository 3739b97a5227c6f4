"""The engine's training step beside plain PyTorch eager: the same method and model, batch, precision and threads, and one LibTorch.

    build/oracle-venv/bin/python tests/bench/step.py build/torch-wheel/bin/bench_step [--method cdc simclr byol deep_embeddings] [--steps 100] [--rounds 5] [--bfloat16]

cdc is the reference script's model of five convolutions; the others are the stage 'train' of pipelines/METHOD_fashion_mnist.toml. The two sides take turns, a process of
the engine's and one of PyTorch's a round; prints each side's median and the median of the rounds' ratios. Rendering of views is left out on both sides: PyTorch's tensors are
made beforehand, the engine's batches rendered before the first step. Both sides keep freed memory (MALLOC_*, as cdc-run does by itself).
"""
import argparse, copy, os, pathlib, re, statistics, subprocess, sys, time

REPO = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("cdc", "simclr", "byol", "deep_embeddings")
K = 10


def models(o):
    """Name -> (function of a batch number giving the loss, parameters, function after the optimiser's step)."""
    import torch, torch.nn as nn, torch.nn.functional as F

    def backbone(widths, kernels, strides, pool):
        layers, before = [], 1
        for w, k, s in zip(widths, kernels, strides):
            layers += [nn.Conv2d(before, w, k, s, k // 2, bias=False), nn.BatchNorm2d(w), nn.ReLU(True)]
            before = w
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(pool), nn.Flatten()).to(memory_format=torch.channels_last)

    def mlp(features, hidden, dim):
        return nn.Sequential(nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(True), nn.Linear(hidden, dim))

    images = lambda n: [torch.rand(n, 1, 28, 28).contiguous(memory_format=torch.channels_last) for _ in range(8)]
    autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=o.bfloat16)
    nothing = lambda step: None
    views = images(2 * o.batch)
    own = torch.arange(o.batch)

    @torch.no_grad()
    def sinkhorn(scores, epsilon=0.05, iterations=3):
        """SwAV's form, as fast as eager PyTorch has it: exponentials once, after the global maximum."""
        b, k = scores.shape
        q = ((scores - scores.max()) / epsilon).exp()
        for _ in range(iterations):
            q = q / (q.sum(0, keepdim=True) * k)
            q = q / (q.sum(1, keepdim=True) * b)
        return q * b

    def ntxent(z, tau=0.5):
        s = z @ z.t() / tau
        s.fill_diagonal_(-float("inf"))
        return F.cross_entropy(s, (torch.arange(len(z)) + o.batch) % len(z))

    def cdc():
        net = nn.ModuleDict({"backbone": backbone([16, 32, 64, 64, 128], [3] * 5, [2, 1, 2, 1, 2], 1), "hidden": mlp(128, 512, 1)[:3],
                             "cluster": nn.Linear(512, K), "instance": nn.Linear(512, 64)})

        def loss(i):
            with autocast():
                g = net["hidden"](net["backbone"](views[i % 8]))
                c, n = net["cluster"](g), net["instance"](g)
            (n1, n2), (l1, l2) = F.normalize(n.float(), dim=1).chunk(2), F.log_softmax(c.float(), 1).chunk(2)
            q1, q2 = l1.exp(), l2.exp()
            total = 0
            for q, l, k, a, b in ((q1, l1, sinkhorn(q2), n1, n2), (q2, l2, sinkhorn(q1), n2, n1)):
                total = total + F.cross_entropy(q @ k.t() / 0.2 + a @ b.t() / 0.2, own) / 2 - (k * l).sum(1).mean() / 2
            return total
        return loss, net.parameters(), nothing

    small = lambda: backbone([16, 64, 64, 128], [5, 3, 3, 3], [2, 2, 1, 2], 4)

    def simclr():
        net = nn.Sequential(small(), mlp(2048, 512, 64))

        def loss(i):
            with autocast():
                z = net(views[i % 8])
            return ntxent(F.normalize(z.float(), dim=1))
        return loss, net.parameters(), nothing

    def byol():
        online, predictor = nn.Sequential(small(), mlp(2048, 512, 64)), mlp(64, 512, 64)
        target = copy.deepcopy(online).requires_grad_(False)
        theirs, ours = list(target.parameters()), list(online.parameters())

        def loss(i):
            with autocast():
                p = predictor(online(views[i % 8]))
                with torch.no_grad():
                    t = target(views[i % 8])
            p, t = F.normalize(p.float(), dim=1), F.normalize(t.float(), dim=1)
            return (2 - 2 * (p * torch.roll(t, o.batch, 0)).sum(1)).mean()

        @torch.no_grad()
        def follow(step):
            torch._foreach_mul_(theirs, 0.99)
            torch._foreach_add_(theirs, ours, alpha=0.01)
        return loss, [*online.parameters(), *predictor.parameters()], follow

    def deep_embeddings():
        net, head, plain = small(), mlp(2048, 512, 64), images(o.batch)
        centres = nn.Parameter(torch.rand(K, 2048))

        def assign(h):
            origin = centres.detach().mean(0)
            x, mu = h.float() - origin, centres - origin
            return F.log_softmax(-torch.log1p(((x * x).sum(1, keepdim=True) - 2 * x @ mu.t() + (mu * mu).sum(1)).clamp_min(0)), 1)

        def kl(t, log_p, n):
            return (torch.xlogy(t, t) - t * log_p).sum() / n

        def loss(i):
            with autocast():
                h, h0 = net(views[i % 8]), net(plain[i % 8])
                z = head(h)
            log_c, log_v = assign(h0), assign(h)
            with torch.no_grad():
                c = log_c.exp()
                t = c * c / c.sum(0, keepdim=True)
                t = t / t.sum(1, keepdim=True)
            return ntxent(F.normalize(z.float(), dim=1)) + kl(t, log_c, o.batch) + kl(c.repeat(2, 1), log_v, o.batch)
        return loss, [*net.parameters(), *head.parameters(), centres], nothing

    return {"cdc": cdc, "simclr": simclr, "byol": byol, "deep_embeddings": deep_embeddings}


def eager(o):
    import torch
    torch.set_num_threads(o.threads)
    loss_of, parameters, after = models(o)[o.eager]()
    optimizer = torch.optim.Adam(parameters, 1e-3, weight_decay=1e-5, fused=True)
    times = []
    for i in range(o.steps + 10):
        start = time.perf_counter()
        loss = loss_of(i)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        after(i)
        loss.item()
        times.append((time.perf_counter() - start) * 1e3)
    print(f"{torch.__version__} eager {statistics.median(times[10:]):.3f} ms")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bench")
    p.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    p.add_argument("--steps", type=int, default=100)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--bfloat16", action="store_true")
    p.add_argument("--eager", help=argparse.SUPPRESS)  # PyTorch's side of one method, in a process of its own
    o = p.parse_args()
    if o.eager:
        return eager(o)
    # glibc reads these as it starts; its own limit of what it keeps is 32 MiB.
    keep = dict(os.environ, MALLOC_MMAP_THRESHOLD_=str(1 << 30), MALLOC_TRIM_THRESHOLD_=str(2**31 - 1))
    common = ["--steps", str(o.steps), "--batch", str(o.batch), "--threads", str(o.threads)] + ["--bfloat16"] * o.bfloat16
    run = lambda command: subprocess.run([str(c) for c in command], capture_output=True, text=True, check=True, env=keep).stdout
    for method in o.method:
        file = REPO / f"pipelines/{method}_fashion_mnist.toml"
        # Centres begin anywhere: k-means on noise would take longer than the steps.
        ours_of = ["--engine-only"] if method == "cdc" else ["--pipeline", file] + ["stage.train.graph.clusters.restarts=1"] * (method == "deep_embeddings")
        ours, theirs = [], []
        for _ in range(o.rounds):
            text = run([o.bench, *common, *ours_of])
            ours.append(float(re.search(r"engine ([\d.]+) ms", text)[1]))
            other = run([sys.executable, __file__, o.bench, *common, "--eager", method])
            theirs.append(float(re.search(r"([\d.]+) ms", other)[1]))
        print(f"{method}: {text.splitlines()[0]}; PyTorch {other.split()[0]}")
        print(f"  engine {statistics.median(ours):.3f} ms, PyTorch eager {statistics.median(theirs):.3f} ms a step; ratio "
              f"{statistics.median(a / b for a, b in zip(ours, theirs)):.3f} (median of {o.rounds} rounds)", flush=True)


if __name__ == "__main__":
    main()
