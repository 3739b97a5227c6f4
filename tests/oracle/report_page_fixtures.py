"""Data of the report's page as engine/report/README.md says, made up, and the page put together from it: for report_page.py."""

import base64
import json
import pathlib
import struct
import zlib

import numpy as np

PAGE = pathlib.Path(__file__).resolve().parents[2] / "engine/report/page"
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
NASTY = "<script>alert(1)</script> & \"both\" 'quotes' </script><!-- <img src=x onerror=alert(2)>"
NO_LABEL = 65535


def packed(array, kind):
    """A contract's array: "u16:BASE64" of little-endian elements."""
    types = {"u8": "<u1", "u16": "<u2", "i16": "<i2", "u32": "<u4"}
    return f"{kind}:{base64.b64encode(np.asarray(array).astype(types[kind]).tobytes()).decode()}"


def png(image):
    """A grey image [H, W] of bytes as a data: address."""
    height, width = image.shape
    rows = b"".join(b"\0" + image[y].tobytes() for y in range(height))
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        "data:image/png;base64,"
        + base64.b64encode(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")).decode()
    )


def sheets(images, columns, rows):
    """Images [N, H, W] on sheets of columns * rows, row by row."""
    count, height, width = images.shape
    out = []
    for first in range(0, count, columns * rows):
        some = images[first : first + columns * rows]
        used = -(-len(some) // columns)
        sheet = np.zeros((used * columns, height, width), np.uint8)
        sheet[: len(some)] = some
        out.append(png(np.ascontiguousarray(sheet.reshape(used, columns, height, width).swapaxes(1, 2).reshape(used * height, columns * width))))
    return out


def drawn_images(labels, side, rng):
    """Images [N, side, side] whose brightness and stripes tell their class: what a test sees is whose image it is."""
    y, x = np.mgrid[0:side, 0:side] / side
    kinds = int(labels.max()) + 1
    of = np.stack([127 + 120 * np.sin(2 * np.pi * ((1 + k % 5) * x * np.cos(k) + (1 + k % 7) * y * np.sin(k)) + k) for k in range(kinds)])
    out = of[labels] + rng.normal(0, 12, (len(labels), 1, 1))
    return np.clip(out, 0, 255).astype(np.uint8)


def clustering(name, true, found, clusters, classes, rng, labelled=True, each=8):
    """A clustering of the contract: sizes, matching, confusion, a gallery."""
    sizes = np.bincount(found, minlength=clusters)
    out = {
        "name": name,
        "clusters": clusters,
        "sizes": sizes.tolist(),
        "cluster": packed(found, "u16"),
        "certainty": "simplified silhouette in 'features'",
    }
    if labelled:
        confusion = np.zeros((clusters, classes), int)
        np.add.at(confusion, (found, true), 1)
        matching, free = [-1] * clusters, set(range(classes))
        for k in sorted(range(clusters), key=lambda k: -confusion[k].max()):
            best = max(free, key=lambda c: confusion[k][c], default=-1)
            matching[k] = best
            free.discard(best)
        out["matching"] = matching
        out["confusion"] = [[int(k), int(c), int(confusion[k, c])] for k, c in zip(*np.nonzero(confusion))]
    gallery = []
    for k in range(clusters):
        members = rng.permutation(np.nonzero(found == k)[0])
        wrong = [int(i) for i in members if labelled and true[i] != out["matching"][k]][:each]
        gallery.append(
            {
                "cluster": k,
                "certain": members[:each].tolist(),
                "uncertain": members[each : 2 * each].tolist(),
                "doubtful": (wrong + members[2 * each :].tolist())[:each],
            }
        )
    out["gallery"] = gallery
    return out


def stages():
    node = lambda name, plugin, *inputs: {"name": name, "plugin": plugin, "inputs": [{"port": p, "from": f, "output": o} for p, f, o in inputs]}
    return [
        {"name": "images", "plugin": "dataset.idx", "seconds": 0.82, "cached": False, "inputs": [], "nodes": []},
        {
            "name": "cdc",
            "plugin": "stage.train",
            "seconds": 171.3,
            "cached": False,
            "waiting": 0.07,
            "inputs": [{"port": "data", "from": "images", "output": ""}],
            "nodes": [
                node("views", "augment.contrastive"),
                node("encoder", "backbone.convnet", ("images", "views", "")),
                node("head", "head.cdc", ("features", "encoder", "")),
                node("codes", "assign.sinkhorn", ("logits", "head", "cluster")),
                node("loss", "loss.cdc", ("cluster", "head", "cluster"), ("instance", "head", "instance"), ("codes", "codes", "")),
            ],
        },
        {
            "name": "features",
            "plugin": "stage.extract",
            "seconds": 9.4,
            "cached": False,
            "waiting": 0.31,
            "inputs": [{"port": "data", "from": "images", "output": ""}, {"port": "model", "from": "cdc", "output": "model"}],
            "nodes": [],
        },
        {
            "name": "pixels",
            "plugin": "stage.extract",
            "seconds": 2.0,
            "cached": True,
            "inputs": [{"port": "data", "from": "images", "output": ""}],
            "nodes": [node("plain", "augment.plain")],
        },
        {
            "name": "kmeans_trained",
            "plugin": "cluster.kmeans",
            "seconds": 3.3,
            "cached": False,
            "inputs": [{"port": "features", "from": "features", "output": ""}],
            "nodes": [],
        },
        {
            "name": "kmeans_pixels",
            "plugin": "cluster.kmeans",
            "seconds": 21.9,
            "cached": False,
            "inputs": [{"port": "features", "from": "pixels", "output": ""}],
            "nodes": [],
        },
        {
            "name": "scores",
            "plugin": "metric.clustering",
            "seconds": 0.31,
            "cached": False,
            "inputs": [
                {"port": "prediction", "from": "cdc", "output": "prediction"},
                {"port": "prediction", "from": "kmeans_trained", "output": ""},
                {"port": "prediction", "from": "kmeans_pixels", "output": ""},
                {"port": "data", "from": "images", "output": ""},
            ],
            "nodes": [],
        },
    ]


def curves(rng):
    steps = np.arange(1, 41)
    loss = 4 * np.exp(-steps / 12) + 1.2 + rng.normal(0, 0.02, 40)
    acc = 0.68 - 0.5 * np.exp(-steps / 9)
    one = lambda **more: {"x": steps.tolist(), **more}
    return [
        {"name": "loss", "title": "loss", "x_title": "epoch", "y_title": "", "series": [one(name="loss", y=loss.tolist())]},
        {
            "name": "parts",
            "title": "parts of the loss",
            "x_title": "epoch",
            "y_title": "nats",
            "series": [
                one(name="cluster", y=(loss * 0.6).tolist()),
                one(name="instance", y=(loss * 0.4).tolist()),
                one(name="swap", y=(loss * 0.25).tolist()),
            ],
        },
        {
            "name": "acc",
            "title": "accuracy against labels",
            "x_title": "epoch",
            "y_title": "oracle.acc",
            "series": [one(name="acc", y=acc.tolist(), low=(acc - 0.03).tolist(), high=(acc + 0.03).tolist())],
        },
        {
            "name": "lr",
            "title": "learning rate",
            "x_title": "epoch",
            "y_title": "",
            "logarithmic": True,
            "series": [one(name="lr", y=(1.5e-3 * (1 + np.cos(steps / 13))).tolist())],
        },
    ]


def run(samples=2000, classes=10, labelled=True, clusterings=2, seed=0, names=None, side=24, images=None, truth=None, each=8):
    """A run of the contract. Sample 0 stands apart in the embedding, so that a test can point at it."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, samples) if truth is None else truth
    names = names or (CLASSES if classes == 10 else [f"class {k:03d}" for k in range(classes)])
    angle = np.arange(classes) * 2.399963
    centres = np.stack([np.cos(angle), np.sin(angle)], 1) * np.sqrt((np.arange(classes) + 0.7) / classes)[:, None] * 20000
    points = centres[true] + rng.normal(0, 26000 / (classes**0.5 + 6), (samples, 2))
    points[0] = (-31000, 31000)
    permutation = rng.permutation(classes)
    found = [np.where(rng.random(samples) < p, permutation[true], rng.integers(0, classes, samples)) for p in (0.74, 0.5, 0.4)[:clusterings]]
    given = [clustering(n, true, f, classes, classes, rng, labelled, each) for n, f in zip(("cdc", "kmeans_trained", "kmeans_pixels"), found)]
    asked = list(dict.fromkeys(s for c in given for g in c["gallery"] for key in ("certain", "uncertain", "doubtful") for s in g[key]))
    thumbnails = drawn_images(true, side, rng) if images is None else images
    larger = np.repeat(np.repeat(thumbnails[asked], 2, 1), 2, 2) if images is None else images[asked]
    data = {
        "kind": "run",
        "title": "cdc_fashion_mnist",
        "made": {"by": "cdc-report 0.1.0", "at": "2025-01-01T10:00:00Z"},
        "notes": [
            "The embedding is of all samples; its distances between far groups say little.",
            "Stage 'pixels' came from the cache: its time is not part of the sum.",
        ],
        "run": {
            "directory": "runs/20250101-095530-cdc_fashion_mnist",
            "working_directory": "/home/someone/clusters",
            "command": "cdc-run pipelines/cdc_fashion_mnist.toml --set stage.cdc.epochs=40",
            "again": "cdc-run runs/20250101-095530-cdc_fashion_mnist/pipeline.toml",
            "pipeline": '# CDC on Fashion-MNIST\n[pipeline]\nname = "cdc_fashion_mnist"\nseed = 0\n\n'
            '[stage.images]\nplugin = "dataset.idx"\nsplit  = "train+test"\n',
            "seed": 0,
            "threads": 2,
            "device": "cpu",
            "started": "2025-01-01T09:55:30Z",
            "finished": "2025-01-01T09:59:02Z",
            "seconds": 212.4,
            "versions": {"cdc": "0.1.0", "torch": "1.13.0", "compiler": "g++ 12.2.0"},
        },
        "scores": [
            {
                "name": c["name"],
                "values": {"acc": 0.672 - 0.1 * k, "nmi": 0.641 - 0.08 * k, "ari": 0.5531 - 0.1 * k},
                "protocol": {
                    "scored_on": "train+test",
                    "samples": samples,
                    "clusters": classes,
                    "classes": classes,
                    "matching": "Hungarian, one to one",
                    "nmi_average": "arithmetic",
                    "prediction": {"trained_on": "train+test", "epochs": 8, "chosen_epoch": "last"},
                },
            }
            for k, c in enumerate(given)
        ],
        "curves": curves(rng),
        "stages": stages(),
        "samples": {"total": samples, "shown": samples, "classes": names, "names": {str(i): f"train-images#{i}" for i in range(0, samples, 7)}},
        "thumbnails": {
            "width": thumbnails.shape[2],
            "height": thumbnails.shape[1],
            "columns": 100,
            "rows": 100,
            "sheets": sheets(thumbnails, 100, 100),
        },
        "embedding": {"method": "UMAP of 'features', 15 neighbours", "points": packed(np.clip(points, -32767, 32767), "i16")},
        "clusterings": given,
        "pictures": {"width": larger.shape[2], "height": larger.shape[1], "columns": 20, "rows": 50, "of": asked, "sheets": sheets(larger, 20, 50)},
    }
    if labelled:
        with_none = true.copy()
        if samples > 50:
            with_none[5::97] = NO_LABEL
        data["samples"]["labels"] = packed(with_none, "u16")
    else:
        data["samples"]["classes"] = []
    return data


def sweep(rows=4):
    rng = np.random.default_rng(3)
    named = ["whole", "without z_n", "no swapping of codes", "SimCLR then k-means"][:rows]
    taus = [0.1, 0.2, 0.5]
    table_rows, cells = [], []
    for r, name in enumerate(named):
        for t, tau in enumerate(taus):
            mean, failed = 0.68 - 0.05 * r - 0.02 * abs(t - 1), r == 3 and t == 2
            values = [
                {"mean": mean, "deviation": 0.0123 / (1 + r), "runs": 3, "best": r == 0 and t == 1, "highest": r == 0 and t == 1, "low": mean - 0.03,
                 "high": mean + 0.03} | ({} if r == 0 and t == 1 else {"difference": {"mean": -0.1, "runs": 3, "low": -0.15, "high": -0.05, "p": 0.0123}}),
                {"mean": mean - 0.04, "deviation": 0.00087, "runs": 3, "best": False},
            ]
            table_rows.append({"labels": [name, str(tau)], "done": 0 if failed else 3, "cells": 3, "values": [None, None] if failed else values})
            for seed in range(3):
                scores = {} if failed else {"cdc.acc": mean + rng.normal(0, 0.01), "cdc.nmi": mean - 0.04 + rng.normal(0, 0.001)}
                message = "stage 'cdc' (s.toml:14:3): the loss is not a number at step 812; a smaller 'lr' may help" if failed else ""
                cells.append(
                    {
                        "id": f"{name.replace(' ', '_')}-tau{tau}-s{seed}",
                        "seed": seed,
                        "state": "failed" if failed else "done",
                        "message": message,
                        "seconds": 160 + 10 * rng.random(),
                        "scores": scores,
                    }
                )
    line = lambda name, at, spread: {"name": name, "x": taus, "y": at, "low": [a - spread for a in at], "high": [a + spread for a in at]}
    return {
        "kind": "sweep",
        "title": "cdc_parts",
        "made": {"by": "cdc-report 0.1.0", "at": "2025-01-01T10:00:00Z"},
        "notes": ["Three runs failed: their row is not in the charts."],
        "sweep": {
            "file": "pipelines/sweeps/cdc_parts.toml",
            "folder": "sweeps/cdc_parts",
            "again": "cdc-sweep pipelines/sweeps/cdc_parts.toml",
            "text": '[sweep]\nbase = "../cdc_fashion_mnist.toml"\nseeds = [0, 1, 2]\n',
            "cells": len(cells),
            "done": sum(c["state"] == "done" for c in cells),
        },
        "table": {"labels": ["variant", "tau_c"], "scores": ["cdc.acc", "cdc.nmi"], "interval": True, "difference": True,
                  "mark": "★ above every other row of its column at 5 % (paired t-test).", "rows": table_rows},
        "cells": cells,
        "charts": [
            {
                "name": "acc_by_tau",
                "title": "cdc.acc",
                "x_title": "stage.cdc.graph.loss.tau_c",
                "y_title": "acc",
                "logarithmic": False,
                "series": [line(n, [0.66 - 0.05 * r, 0.68 - 0.05 * r, 0.66 - 0.05 * r], 0.012) for r, n in enumerate(named)],
            },
            {
                "name": "acc_by_variant",
                "title": "cdc.acc",
                "x_title": "",
                "y_title": "acc",
                "categories": named,
                "series": [
                    {
                        "name": f"tau_c = {t}",
                        "x": list(range(len(named))),
                        "y": [0.68 - 0.05 * r - 0.02 * k for r in range(len(named))],
                        "low": [0.67 - 0.05 * r - 0.02 * k for r in range(len(named))],
                        "high": [0.69 - 0.05 * r - 0.02 * k for r in range(len(named))],
                    }
                    for k, t in enumerate(taus)
                ],
            },
            {
                "name": "nmi_by_variant",
                "title": "cdc.nmi",
                "x_title": "",
                "y_title": "nmi",
                "categories": named,
                "series": [
                    {
                        "name": "",
                        "x": list(range(len(named))),
                        "y": [0.6507 + 0.00002 * r for r in range(len(named))],
                        "low": [0.6505 + 0.00002 * r for r in range(len(named))],
                        "high": [0.6509 + 0.00002 * r for r in range(len(named))],
                    }
                ],
            },
        ],
    }


def nasty():
    """Names that would be HTML, end a script, or break out of an attribute, wherever a name may stand."""
    data = run(samples=200, classes=3, names=[NASTY, "a & b", '"quoted"'], clusterings=1)
    data["title"] = NASTY
    data["notes"] = [NASTY]
    data["made"]["by"] = NASTY
    for key in ("directory", "command", "again", "pipeline", "device"):
        data["run"][key] = NASTY
    data["scores"][0]["name"] = NASTY
    data["scores"][0]["protocol"]["scored_on"] = NASTY
    data["scores"][0]["values"][NASTY] = 0.5
    data["clusterings"][0]["name"] = NASTY
    data["clusterings"][0]["certainty"] = NASTY
    data["curves"][0].update(title=NASTY, x_title=NASTY, y_title=NASTY)
    data["curves"][0]["series"][0]["name"] = NASTY
    data["curves"][1]["series"][0]["name"] = NASTY
    data["stages"][1]["name"] = NASTY
    data["stages"][2]["inputs"][1]["from"] = NASTY
    data["stages"][1]["nodes"][0]["plugin"] = NASTY
    data["samples"]["names"] = {str(i): NASTY for i in range(200)}
    data["embedding"]["method"] = NASTY
    return data


def bare(kind="run"):
    return {"kind": kind, "title": "nothing", "made": {"by": "cdc-report 0.1.0", "at": "2025-01-01T10:00:00Z"}}


def page(data):
    """The page as the program puts it together: each placeholder of page.html once."""
    scripts = sorted(PAGE.glob("*.js"))
    parts = {
        "{{title}}": data["title"].replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
        "/*{{css}}*/": (PAGE / "page.css").read_text(),
        "{{data}}": json.dumps(data).replace("<", "\\u003c"),
        "/*{{vendor}}*/": (PAGE / "vendor/echarts.min.js").read_text(),
        "/*{{js}}*/": "\n".join(s.read_text() for s in scripts),
    }
    rest, out = (PAGE / "page.html").read_text(), []
    while True:
        at, key = min(((rest.find(k), k) for k in parts if k in rest), default=(-1, ""))
        if at < 0:
            return "".join(out) + rest
        out += [rest[:at], parts[key]]
        rest = rest[at + len(key) :]
