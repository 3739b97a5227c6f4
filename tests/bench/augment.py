"""Views a second: this project's augmentations beside torchvision's, one thread each, processor time, the same noise images.

Run: /usr/bin/python3 tests/bench/augment.py BUILD_FOLDER      (Debian: python3-torchvision, python3-pil; in BUILD_FOLDER `ninja bench` was run)
Both sides alternate three times; the table shows the best of each and their ratio. torchvision runs on PIL images, its usual and faster way, and includes
ToTensor and Normalize, as ours do.
"""
import os
import re
import subprocess
import sys
import time

import numpy
import torch
import torchvision.transforms as T
from PIL import Image

torch.set_num_threads(1)


def transform(size, blur, jitter=True, colour=True, kernel=23):
    steps = [T.RandomResizedCrop(size, scale=(0.2, 1.0)), T.RandomHorizontalFlip()]
    if jitter:
        steps.append(T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8))
    if colour:
        steps.append(T.RandomGrayscale(0.2))
    if blur:
        steps.append(T.RandomApply([T.GaussianBlur(kernel, (0.1, 2.0))], blur))
    return T.Compose(steps + [T.ToTensor(), T.Normalize([0.5] * (3 if colour or size == 224 else 1), [0.5] * (3 if colour or size == 224 else 1))])


def per_second(run):
    best = 0
    for _ in range(3):
        begin, done = time.process_time(), 0
        while time.process_time() - begin < 0.3:
            run()
            done += 1
        best = max(best, done / (time.process_time() - begin))
    return best


def noise(*shape):
    return Image.fromarray(numpy.random.default_rng(3).integers(0, 256, shape, dtype=numpy.uint8))


# In the order in which bench_augment prints its lines.
cases = [
    (transform(28, 0, colour=False), noise(28, 28)),
    (transform(32, 0), noise(32, 32, 3)),
    (transform(224, 0), noise(375, 500, 3)),
    (transform(224, 0.5), noise(375, 500, 3)),
    (transform(224, 1.0, jitter=False, colour=False), noise(375, 500, 3)),
]


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/release"
    environment = dict(os.environ, CDC_BINARY_DIR=os.path.abspath(build))
    names, ours, theirs = [], [0.0] * len(cases), [0.0] * len(cases)
    for _ in range(3):
        text = subprocess.run([os.path.join(build, "bin", "bench_augment")], env=environment, check=True, capture_output=True, text=True).stdout
        lines = re.findall(r"^(.*?)\s+(\d+) views/s$", text, re.M)
        names = [name for name, _ in lines]
        ours = [max(a, float(b)) for a, (_, b) in zip(ours, lines)]
        theirs = [max(a, per_second(lambda f=f, x=x: f(x))) for a, (f, x) in zip(theirs, cases)]
    print(f"{'':62} {'ours':>9} {'torchvision':>12} {'ratio':>6}")
    for name, a, b in zip(names, ours, theirs):
        print(f"{name:62} {a:9.0f} {b:12.0f} {a / b:6.1f}")


if __name__ == "__main__":
    main()
