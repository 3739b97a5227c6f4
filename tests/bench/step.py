"""The engine's training step beside PyTorch eager: the same model (CDC, five convolutions), batch, precision and threads.

    build/oracle-venv/bin/python tests/bench/step.py build/torch-wheel/bin/bench_step [--steps 100] [--rounds 5] [--bfloat16]

The two sides take turns, a process of the engine's and a loop of PyTorch's a round; prints each side's median and the median of the rounds' ratios.
Rendering of views is left out on both sides: PyTorch's tensors are made beforehand, the engine's loaders finish before a timed step begins. A fair comparison
takes one LibTorch for both: build the engine against the wheel. Freed memory is kept on the engine's side, as in cdc-run; PyTorch's does what it does by itself.
"""
import argparse, re, statistics, subprocess, time
import torch, torch.nn as nn, torch.nn.functional as F

K = 10


class Net(nn.Module):
    def __init__(self, w):
        super().__init__()
        conv = lambda i, o, s: nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(True))
        self.backbone = nn.Sequential(conv(1, w, 2), conv(w, 2 * w, 1), conv(2 * w, 4 * w, 2), conv(4 * w, 4 * w, 1),
                                      conv(4 * w, 8 * w, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(8 * w, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(True))
        self.cluster, self.instance = nn.Linear(512, K), nn.Linear(512, 64)

    def forward(self, x):
        g = self.hidden(self.backbone(x))
        return self.cluster(g), self.instance(g)


@torch.no_grad()
def sinkhorn(scores, epsilon=0.05, iterations=3):
    """SwAV's form, as fast as eager PyTorch has it: exponentials once, after the global maximum."""
    b, k = scores.shape
    q = ((scores - scores.max()) / epsilon).exp()
    for _ in range(iterations):
        q = q / (q.sum(0, keepdim=True) * k)
        q = q / (q.sum(1, keepdim=True) * b)
    return q * b


def loss_of(c, n):
    n = F.normalize(n.float(), dim=1)
    log_q = F.log_softmax(c.float(), 1)
    (l1, l2), (n1, n2) = log_q.chunk(2), n.chunk(2)
    q1, q2 = l1.exp(), l2.exp()
    k1, k2 = sinkhorn(q1), sinkhorn(q2)
    own, total = torch.arange(len(q1)), 0
    for q, l, k, a, b in ((q1, l1, k2, n1, n2), (q2, l2, k1, n2, n1)):
        total = total + F.cross_entropy(q @ k.t() / 0.2 + a @ b.t() / 0.2, own) / 2 - (k * l).sum(1).mean() / 2
    return total


def eager(o):
    net = Net(o.width).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3, weight_decay=1e-5, fused=True)
    views = [torch.rand(2 * o.batch, 1, 28, 28).contiguous(memory_format=torch.channels_last) for _ in range(8)]
    times = []
    for i in range(o.steps + 10):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=o.bfloat16):
            c, n = net(views[i % 8])
        loss = loss_of(c, n)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times[10:])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bench")
    p.add_argument("--steps", type=int, default=100)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--width", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--bfloat16", action="store_true")
    o = p.parse_args()
    torch.set_num_threads(o.threads)
    ours, theirs = [], []
    for _ in range(o.rounds):
        command = [o.bench, "--engine-only", "--steps", o.steps, "--batch", o.batch, "--width", o.width, "--threads", o.threads]
        text = subprocess.run([str(c) for c in command] + (["--bfloat16"] if o.bfloat16 else []), capture_output=True, text=True, check=True).stdout
        ours.append(float(re.search(r"engine ([\d.]+) ms", text)[1]))
        theirs.append(eager(o))
    print(text.splitlines()[0])
    print(f"engine  {statistics.median(ours):.3f} ms a step\nPyTorch {torch.__version__} eager {statistics.median(theirs):.3f} ms a step")
    print(f"ratio engine / PyTorch {statistics.median(a / b for a, b in zip(ours, theirs)):.3f} (median of {o.rounds} rounds)")


if __name__ == "__main__":
    main()
