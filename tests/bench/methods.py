"""Every method on one data set: the tables of pipelines/README.md.

    python3 tests/bench/methods.py build/release/bin/cdc-run [--data-set fashion_mnist] [--methods simclr moco] [--seeds 0 1 2] [--at-once 2]
        [--passes 8] [--images FOLDER] [--keys KEY=VALUE ...] [--device cpu] [--threads 1] [--curves] [--runs FOLDER] [--record FILE]

Runs pipelines/METHOD_DATASET.toml with each seed, as many runs side by side as there are cores, and prints a row a prediction: mean and standard deviation over
the seeds there are. --passes brings the epochs of all stages of a file together to that number, each in its share; --images is the folder of the data set, where
it is not the file's; --curves looks at each epoch's clusters. Runs that have ended in the folder of --runs are read, not made again. FILE, one line of JSON a run,
lets the table grow over days and machines: runs in it of the same settings and device are not made again, others are added. Settings are what a file says; a new
parameter at its default changes none. With --seeds and no seed nothing is run, and the table is that of FILE. What a method adds are the plugins of its nodes that
SimCLR's file has not. A run that fails is told, the others go on, and the exit code is 1. Skips, saying so, without the data set.
"""
import argparse, concurrent.futures, functools, hashlib, json, os, pathlib, re, statistics, subprocess, sys, tempfile, threading

REPO = pathlib.Path(__file__).resolve().parents[2]
# Of another backbone or image size than the rest, or another name of the same.
OTHERS = {"cifar10": {"clc", "deep_embeddings"}}


def file_of(o, method):
    return REPO / "pipelines" / f"{method}_{o.data_set}.toml"


def output_of(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


@functools.lru_cache(None)
def print_config(cdc_run, file, more):
    return output_of([cdc_run, file, *more, "--print-config"])


def config(o, method, *more):
    """The pipeline as resolved, with the comments on where values come from."""
    return print_config(o.cdc_run, file_of(o, method), more)


def overrides(o, method):
    more = [*o.keys, *([f"stage.images.root={o.images}"] if o.images else [])]
    stages = re.split(r"^\[stage\.(\w+)\]", config(o, method), flags=re.M)
    trained = {name: text for name, text in zip(stages[1::2], stages[2::2]) if 'plugin = "stage.train"' in text}
    epochs = {name: int(re.search(r"^epochs = (\d+)", text, re.M)[1]) for name, text in trained.items()}
    for name in epochs:
        if o.passes:
            more.append(f"stage.{name}.epochs={max(1, round(epochs[name] * o.passes / sum(epochs.values())))}")
        if o.curves:
            more.append(f"stage.{name}.score_every=1")
            if 'prediction = ""' in trained[name]:
                more += [f"stage.{name}.score_features=encoder", f"stage.{name}.score_clusters=10"]
    return more


def settings_of(o, method, more):
    """What the run depends on: what is said, without defaults, places and the folder of the data."""
    said = [line for line in config(o, method, *more).splitlines() if not line.endswith("# default") and not re.match(r"(root|class_names|score_\w+) = ", line)]
    return hashlib.sha256(re.sub(r"\s+#[^\n\"]*$", "", "\n".join(said), flags=re.M).encode()).hexdigest()[:16]


def plugins(o, method):
    return set(re.findall(r'^\s*plugin\s*=\s*"((?:augment|backbone|head|assign|loss|memory|sampler|perturb|cluster)\.\w+)"', config(o, method), re.M))


class Record:
    """Runs that were made before."""

    def __init__(self, o):
        self.file, self.lock = o.record and pathlib.Path(o.record), threading.Lock()
        lines = self.file.read_text().splitlines() if self.file and self.file.exists() else []
        self.runs = {(r["method"], r["seed"]): r for r in map(json.loads, lines)}

    def has(self, method, seed, settings, device):
        found = self.runs.get((method, seed))
        return found is not None and (found["settings"], found["device"]) == (settings, device)

    def add(self, run):
        with self.lock:
            self.runs[run["method"], run["seed"]] = run
            if self.file:
                self.file.write_text("".join(json.dumps(self.runs[key]) + "\n" for key in sorted(self.runs)))


def curve(folder):
    """Of each epoch: its stage, what has been trained so far, loss, and ACC and NMI of its clusters, or of k-means of its features."""
    out = []
    for line in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines()):
        if "epoch" not in line:
            continue
        oracle = line.get("oracle") or line.get("kmeans", {}).get("oracle") or {}
        out.append([line["stage"], line["epoch"], round(line["loss"], 4), *(round(oracle[k], 4) for k in ("acc", "nmi") if k in oracle)])
    return out


def run(o, record, method, seed):
    more = overrides(o, method)
    settings = settings_of(o, method, more)
    if record.has(method, seed, settings, o.device):
        return
    folder = pathlib.Path(o.runs) / f"{method}-{seed}-{settings}"
    summary = folder / "summary.json"
    if not summary.exists():
        command = [o.cdc_run, file_of(o, method), *more, "--seed", seed, "--threads", o.threads, "--device", o.device, "--cache", f"{o.runs}/cache"]
        output_of([*command, "--run-dir", folder])
    result = json.loads(summary.read_text())
    scores = {name: {k: round(s[k], 4) for k in ("acc", "nmi", "ari")} for name, s in result["scores"].items()}
    print(f"{method} seed {seed}: " + "  ".join(f"{name} {s['acc']:.3f}/{s['nmi']:.3f}" for name, s in scores.items()), flush=True)
    made = {"method": method, "seed": seed, "settings": settings, "device": o.device, "scores": scores}
    if o.curves:
        made["curve"] = curve(folder)
    record.add(made)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cdc_run")
    p.add_argument("--data-set", default="fashion_mnist", help="whose files pipelines/METHOD_DATASET.toml are run")
    p.add_argument("--methods", nargs="+", default=None)
    p.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    p.add_argument("--at-once", type=int, default=os.cpu_count())
    p.add_argument("--passes", type=int, default=0, help="passes over the images in all stages together; 0: as the files say")
    p.add_argument("--images", default=None, help="folder of the data set")
    p.add_argument("--keys", nargs="+", default=[], metavar="KEY=VALUE", help="of every pipeline")
    p.add_argument("--device", default="cpu")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--curves", action="store_true", help="score each epoch's clusters, and record them")
    p.add_argument("--runs", default=None, help="where runs and their cache go, and stay; a temporary folder otherwise")
    p.add_argument("--record", default=None, help="one line a run: read, and added to")
    o = p.parse_args()
    suffix = f"_{o.data_set}.toml"
    if o.methods is None:
        o.methods = sorted({f.name[: -len(suffix)] for f in (REPO / "pipelines").glob("*" + suffix)} - OTHERS.get(o.data_set, set()))
    record = Record(o)
    images = o.images or {"fashion_mnist": os.environ.get("CDC_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")}.get(o.data_set)
    if o.seeds and images and not pathlib.Path(images).exists():
        print(f"skipped: no images in {images}; Debian's package of Fashion-MNIST is dataset-fashion-mnist")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        o.runs = o.runs or temporary
        with concurrent.futures.ThreadPoolExecutor(o.at_once) as pool:
            jobs = {(m, s): pool.submit(run, o, record, m, s) for s in o.seeds for m in o.methods}
    failed = {of: job.exception() for of, job in jobs.items() if job.exception()}
    for (method, seed), error in failed.items():
        print(f"{method}, seed {seed}: {error}", file=sys.stderr)
    base = plugins(o, "simclr")
    print("\n| method | file | adds | prediction | seeds | ACC | NMI |\n|---|---|---|---|---|---|---|")
    for method in [m for m in o.methods if any(key[0] == m for key in record.runs)]:
        adds = ", ".join(f"`{x}`" for x in sorted(plugins(o, method) - base)) or "-"
        runs = [record.runs[key]["scores"] for key in sorted(record.runs) if key[0] == method and (not o.seeds or key[1] in o.seeds)]
        for name in runs[0] if runs else []:
            values = [[r[name][score] for r in runs] for score in ("acc", "nmi")]
            shown = [f"{statistics.mean(v):.3f}" + (f" ± {statistics.stdev(v):.3f}" if len(v) > 1 else "") for v in values]
            print(f"| {method} | `{method}{suffix}` | {adds} | {name} | {len(runs)} | {shown[0]} | {shown[1]} |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
