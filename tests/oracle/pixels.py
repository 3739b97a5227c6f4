"""Numbers of PyTorch for pixels_oracle_test.cpp: prints one JSON object.

Resizing is PyTorch's own; the other operations restate torchvision's documented formulas (transforms.functional on float tensors, _functional_tensor) in
plain PyTorch, since torchvision has no build for every PyTorch; where it is at hand (Debian's: CDC_ORACLE_PYTHON=/usr/bin/python3 with python3-torchvision), the
restatement is checked against it first. Images are formulas of an index, the same on both sides.
Run: build/oracle-venv/bin/python tests/oracle/pixels.py
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_num_threads(1)


def image(c, h, w):
    """[C, H, W] in 0 to 1; as bytes it lies interleaved, byte i is (i * i * 31 + i * 17 + i // 7) % 256."""
    i = torch.arange(h * w * c, dtype=torch.int64)
    return ((i * i * 31 + i * 17 + i // 7) % 256).reshape(h, w, c).permute(2, 0, 1).double() / 255


def resize(x, size):
    return F.interpolate(x[None].float(), size=size, mode="bilinear", antialias=True, align_corners=False)[0]


def grey(x):
    return x if x.shape[0] == 1 else 0.2989 * x[0:1] + 0.587 * x[1:2] + 0.114 * x[2:3]


def blend(a, b, factor):
    return (factor * a + (1 - factor) * b).clamp(0, 1)


def hue(x, shift):
    if x.shape[0] == 1:
        return x
    r, g, b = x.unbind(0)
    high, low = x.max(0).values, x.min(0).values
    same = high == low
    span = high - low
    s = span / torch.where(same, torch.ones_like(high), high)
    divisor = torch.where(same, torch.ones_like(high), span)
    rc, gc, bc = (high - r) / divisor, (high - g) / divisor, (high - b) / divisor
    h = (high == r) * (bc - gc) + ((high == g) & (high != r)) * (2 + rc - bc) + ((high != g) & (high != r)) * (4 + gc - rc)
    h = torch.fmod(h / 6 + 1, 1)
    h = (h + shift) % 1
    i = torch.floor(h * 6)
    f = h * 6 - i
    i = i.long() % 6
    p, q, t = high * (1 - s), high * (1 - s * f), high * (1 - s * (1 - f))
    table = [torch.stack(v) for v in ((high, t, p), (q, high, p), (p, high, t), (p, q, high), (t, p, high), (high, p, q))]
    out = torch.zeros_like(x)
    for k in range(6):
        out = torch.where((i == k)[None], table[k], out)
    return out


def solarize(x, threshold):
    return torch.where(x >= threshold, 1 - x, x)


def equalize(x):
    """torchvision's, of the image in bytes."""
    def channel(v):
        count = torch.bincount(v.flatten(), minlength=256)
        step = count[count != 0][:-1].sum() // 255
        if step == 0:
            return v
        to = (torch.cumsum(count, 0) + step // 2) // step
        return F.pad(to, [1, 0])[:-1].clamp(0, 255)[v]
    return torch.stack([channel(v) for v in (x * 255).round().long()]) / 255


def blur(x, kernel, sigma):
    half = (kernel - 1) * 0.5
    positions = torch.linspace(-half, half, steps=kernel, dtype=torch.float64)
    weights = torch.exp(-0.5 * (positions / sigma) ** 2)
    weights = weights / weights.sum()
    k2 = (weights[:, None] * weights[None, :]).expand(x.shape[0], 1, kernel, kernel)
    pad = kernel // 2
    return F.conv2d(F.pad(x[None], [pad] * 4, mode="reflect"), k2, groups=x.shape[0])[0]


def rotate(x, degrees):
    """torchvision: the inverse affine matrix of the angle (counter-clockwise), grid_sample with zeros outside."""
    c, h, w = x.shape
    a = math.radians(degrees)
    # In pixels from the centre, y down: source = R(a) target.
    theta = torch.tensor([[math.cos(a), -math.sin(a) * h / w, 0], [math.sin(a) * w / h, math.cos(a), 0]], dtype=torch.float64)[None]
    grid = F.affine_grid(theta, [1, c, h, w], align_corners=False)
    return F.grid_sample(x[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]


def check_against_torchvision():
    try:
        import torchvision.transforms.functional as tv
        from torchvision.transforms import InterpolationMode
    except ImportError:
        return

    def same(a, b, what):
        worst = (a.double() - b.double()).abs().max().item()
        assert worst < 2e-5, f"{what}: differs from torchvision by {worst}"

    x = image(3, 32, 43).float()
    same(resize(x[:, 2:30, 3:40], [16, 20]), tv.resized_crop(x, 2, 3, 28, 37, [16, 20], antialias=True) if "antialias" in tv.resized_crop.__code__.co_varnames
         else tv.resize(tv.crop(x, 2, 3, 28, 37), [16, 20], antialias=True), "resize")
    for factor in (0.3, 1.6):
        same(blend(x, torch.zeros_like(x), factor), tv.adjust_brightness(x, factor), "brightness")
        same(blend(x, grey(x).mean(), factor), tv.adjust_contrast(x, factor), "contrast")
        same(blend(x, grey(x), factor), tv.adjust_saturation(x, factor), "saturation")
    for shift in (-0.4, -0.1, 0.07, 0.5):
        same(hue(x.double(), shift), tv.adjust_hue(x.double(), shift), "hue")
    same(grey(x).expand_as(x), tv.rgb_to_grayscale(x, 3), "grey")
    same(solarize(x, 0.5), tv.solarize(x, 0.5), "solarize")
    same(equalize(x), tv.equalize((x * 255).round().to(torch.uint8)) / 255.0, "equalize")
    same(blur(x.double(), 9, 1.3), tv.gaussian_blur(x, [9, 9], [1.3, 1.3]), "blur")
    turned, own = tv.rotate(x, 25.0, InterpolationMode.BILINEAR), rotate(x.double(), 25.0)
    inside = rotate(torch.ones_like(x, dtype=torch.float64), 25.0) > 1 - 1e-6  # at the edge torchvision multiplies by the mask twice
    same(own * inside, turned * inside, "rotate")


def numbers(x):
    return [round(v, 7) for v in x.double().flatten().tolist()]


check_against_torchvision()
out = {"resize": [], "plain": [], "colour": [], "equalize": [], "blur": [], "rotate": []}
for c, h, w, box, size in [
    (1, 28, 28, (3, 5, 17, 20), (28, 28)), (3, 32, 32, (0, 0, 32, 32), (32, 32)), (3, 32, 32, (1, 2, 30, 25), (32, 32)), (3, 61, 47, (7, 0, 54, 47), (12, 12)),
    (3, 61, 47, (10, 11, 33, 9), (16, 16)), (1, 40, 90, (0, 0, 40, 90), (7, 5)), (3, 9, 9, (4, 4, 1, 1), (6, 6)), (1, 5, 64, (0, 1, 5, 63), (20, 31)),
]:
    y, x, bh, bw = box
    out["resize"].append({"image": [c, h, w], "box": list(box), "size": list(size), "result": numbers(resize(image(c, h, w)[:, y:y + bh, x:x + bw], size))})

for c, h, w, shorter, size in [(3, 50, 67, 32, 28), (1, 67, 50, 20, 20), (3, 33, 33, 40, 31), (3, 40, 31, 24, 21)]:
    full = (shorter, int(shorter * w / h)) if h <= w else (int(shorter * h / w), shorter)
    big = resize(image(c, h, w), full)
    top, left = int(round((full[0] - size) / 2.0)), int(round((full[1] - size) / 2.0))
    out["plain"].append({"image": [c, h, w], "shorter": shorter, "size": size, "result": numbers(big[:, top:top + size, left:left + size])})

for c in (1, 3):
    x = image(c, 13, 11)
    for name, factor in [("brightness", 0.6), ("brightness", 1.4), ("contrast", 0.6), ("contrast", 1.7), ("saturation", 0.0), ("saturation", 0.7),
                         ("saturation", 1.9), ("hue", -0.5), ("hue", -0.1), ("hue", 0.03), ("hue", 0.4), ("grey", 0),
                         ("solarize", 0.5), ("solarize", 0.25)]:
        y = x
        if name == "brightness":
            y = blend(x, torch.zeros_like(x), factor)
        elif name == "contrast":
            y = blend(x, grey(x).mean(), factor)
        elif name == "saturation":
            y = blend(x, grey(x), factor) if c == 3 else x
        elif name == "hue":
            y = hue(x, factor)
        elif name == "solarize":
            y = solarize(x, factor)
        else:
            y = grey(x).expand_as(x)
        out["colour"].append({"image": [c, 13, 11], "name": name, "factor": factor, "result": numbers(y)})

# The second has too few pixels to spread: it stays as it is. The third has half its pixels black, the fourth one shade alone.
for shape, change in [((3, 40, 31), "none"), ((1, 13, 11), "none"), ((1, 28, 28), "dark"), ((1, 28, 28), "flat")]:
    x = image(*shape)
    x = torch.where(x < 0.5, torch.zeros_like(x), x) if change == "dark" else torch.full_like(x, 0.4) if change == "flat" else x
    out["equalize"].append({"image": list(shape), "change": change, "result": numbers(equalize(x))})

for c, h, w, kernel, sigma in [(1, 28, 28, 3, 0.7), (3, 32, 70, 23, 2.0), (3, 13, 12, 5, 0.1), (1, 70, 130, 23, 1.1), (1, 12, 64, 9, 1.9)]:
    out["blur"].append({"image": [c, h, w], "kernel": kernel, "sigma": sigma, "result": numbers(blur(image(c, h, w), kernel, sigma))})

for c, h, w, degrees in [(1, 28, 28, 10), (3, 12, 17, -33), (1, 15, 9, 130)]:
    out["rotate"].append({"image": [c, h, w], "degrees": degrees, "result": numbers(rotate(image(c, h, w), degrees))})

print(json.dumps(out))
