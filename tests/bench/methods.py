"""Every method on Fashion-MNIST: the table of pipelines/README.md.

    python3 tests/bench/methods.py build/release/bin/cdc-run [--methods simclr moco] [--seeds 0 1 2] [--at-once 2] [--runs FOLDER] [--record FILE]

Runs pipelines/METHOD_fashion_mnist.toml with each seed, one thread a run and as many runs side by side as there are cores, and prints a row a prediction: mean and
standard deviation over the seeds there are. Runs that have ended in FOLDER are read, not made again. FILE, one line of JSON a run, lets the table grow over days and
machines: runs in it whose settings are still those of the pipeline are not made again, others are added; tests/bench/methods_fashion_mnist.jsonl is what the README
shows. With --seeds and no seed nothing is run, and the table is that of FILE. What a method adds are the plugins of its nodes that SimCLR's file has not. Skips,
saying so, without the data set.
"""
import argparse, concurrent.futures, hashlib, json, os, pathlib, re, statistics, subprocess, tempfile, threading

REPO = pathlib.Path(__file__).resolve().parents[2]
SUFFIX = "_fashion_mnist.toml"


def config(o, method):
    """The pipeline as resolved, without the comments on where values come from."""
    text = subprocess.run([o.cdc_run, str(REPO / "pipelines" / (method + SUFFIX)), "--print-config"], check=True, capture_output=True, text=True).stdout
    return re.sub(r"\s+#[^\n\"]*$", "", text, flags=re.M)


def plugins(o, method):
    return set(re.findall(r'^\s*plugin\s*=\s*"((?:augment|backbone|head|assign|loss|memory|sampler|perturb|cluster)\.\w+)"', config(o, method), re.M))


class Record:
    """Runs that were made before."""

    def __init__(self, o):
        self.file, self.lock = o.record and pathlib.Path(o.record), threading.Lock()
        lines = self.file.read_text().splitlines() if self.file and self.file.exists() else []
        self.runs = {(r["method"], r["seed"]): r for r in map(json.loads, lines)}

    def find(self, method, seed, settings):
        found = self.runs.get((method, seed))
        return found["scores"] if found and found["settings"] == settings else None

    def add(self, method, seed, settings, result):
        scores = {name: {k: round(s[k], 4) for k in ("acc", "nmi", "ari")} for name, s in result["scores"].items()}
        with self.lock:
            self.runs[method, seed] = {"method": method, "seed": seed, "settings": settings, "scores": scores}
            if self.file:
                self.file.write_text("".join(json.dumps(self.runs[key]) + "\n" for key in sorted(self.runs)))
        return scores


def run(o, record, method, seed):
    settings = hashlib.sha256(config(o, method).encode()).hexdigest()[:16]
    known = record.find(method, seed, settings)
    if known:
        return known
    folder = pathlib.Path(o.runs) / f"{method}-{seed}"
    summary = folder / "summary.json"
    if not summary.exists():
        command = [o.cdc_run, REPO / "pipelines" / (method + SUFFIX), "--seed", seed, "--threads", 1, "--cache", f"{o.runs}/cache", "--run-dir", folder]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{method}, seed {seed}: {done.stderr}")
    result = json.loads(summary.read_text())
    line = "  ".join(f"{name} {s['acc']:.3f}/{s['nmi']:.3f}" for name, s in result["scores"].items())
    print(f"{method} seed {seed}: {line}", flush=True)
    return record.add(method, seed, settings, result)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cdc_run")
    p.add_argument("--methods", nargs="+", default=sorted(f.name[: -len(SUFFIX)] for f in (REPO / "pipelines").glob("*" + SUFFIX)))
    p.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    p.add_argument("--at-once", type=int, default=os.cpu_count())
    p.add_argument("--runs", default=None, help="where runs and their cache go, and stay; a temporary folder otherwise")
    p.add_argument("--record", default=None, help="one line a run: read, and added to")
    o = p.parse_args()
    record = Record(o)
    if not pathlib.Path(os.environ.get("CDC_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")).exists():
        print("skipped: no Fashion-MNIST; Debian's package is dataset-fashion-mnist")
        return
    with tempfile.TemporaryDirectory() as temporary:
        o.runs = o.runs or temporary
        with concurrent.futures.ThreadPoolExecutor(o.at_once) as pool:
            jobs = {(m, s): pool.submit(run, o, record, m, s) for s in o.seeds for m in o.methods}
            for job in jobs.values():
                job.result()
    base = plugins(o, "simclr")
    print("\n| method | file | adds | prediction | seeds | ACC | NMI |\n|---|---|---|---|---|---|---|")
    for method in o.methods:
        adds = ", ".join(f"`{x}`" for x in sorted(plugins(o, method) - base)) or "-"
        runs = [record.runs[key]["scores"] for key in sorted(record.runs) if key[0] == method and (not o.seeds or key[1] in o.seeds)]
        for name in runs[0] if runs else []:
            values = [[r[name][score] for r in runs] for score in ("acc", "nmi")]
            shown = [f"{statistics.mean(v):.3f}" + (f" ± {statistics.stdev(v):.3f}" if len(v) > 1 else "") for v in values]
            print(f"| {method} | `{method}{SUFFIX}` | {adds} | {name} | {len(runs)} | {shown[0]} | {shown[1]} |")


if __name__ == "__main__":
    main()
