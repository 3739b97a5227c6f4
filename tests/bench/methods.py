"""Every method on Fashion-MNIST: the table of pipelines/README.md.

    python3 tests/bench/methods.py build/release/bin/cdc-run [--methods simclr moco] [--seeds 0 1 2] [--at-once 2] [--runs FOLDER]

Runs pipelines/METHOD_fashion_mnist.toml with each seed, one thread a run and as many runs side by side as there are cores, and prints a row a prediction: mean and
standard deviation over the seeds. Runs that have ended in FOLDER are read, not made again. What a method adds are the plugins of its nodes that SimCLR's file has
not. Skips, saying so, without the data set.
"""
import argparse, concurrent.futures, json, os, pathlib, re, statistics, subprocess, tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
SUFFIX = "_fashion_mnist.toml"


def plugins(o, method):
    text = subprocess.run([o.cdc_run, str(REPO / "pipelines" / (method + SUFFIX)), "--print-config"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r'^\s*plugin\s*=\s*"((?:augment|backbone|head|assign|loss|memory|sampler|perturb|cluster)\.\w+)"', text, re.M))


def run(o, method, seed):
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
    return result["scores"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cdc_run")
    p.add_argument("--methods", nargs="+", default=sorted(f.name[: -len(SUFFIX)] for f in (REPO / "pipelines").glob("*" + SUFFIX)))
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--at-once", type=int, default=os.cpu_count())
    p.add_argument("--runs", default=None, help="where runs and their cache go, and stay; a temporary folder otherwise")
    o = p.parse_args()
    if not pathlib.Path(os.environ.get("CDC_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")).exists():
        print("skipped: no Fashion-MNIST; Debian's package is dataset-fashion-mnist")
        return
    with tempfile.TemporaryDirectory() as temporary:
        o.runs = o.runs or temporary
        with concurrent.futures.ThreadPoolExecutor(o.at_once) as pool:
            jobs = {(m, s): pool.submit(run, o, m, s) for s in o.seeds for m in o.methods}
            results = {key: job.result() for key, job in jobs.items()}
    base = plugins(o, "simclr")
    print("\n| method | file | adds | prediction | ACC | NMI |\n|---|---|---|---|---|---|")
    for method in o.methods:
        adds = ", ".join(f"`{x}`" for x in sorted(plugins(o, method) - base)) or "-"
        for name in results[method, o.seeds[0]]:
            values = [[results[method, s][name][score] for s in o.seeds] for score in ("acc", "nmi")]
            shown = [f"{statistics.mean(v):.3f}" + (f" ± {statistics.stdev(v):.3f}" if len(v) > 1 else "") for v in values]
            print(f"| {method} | `{method}{SUFFIX}` | {adds} | {name} | {shown[0]} | {shown[1]} |")


if __name__ == "__main__":
    main()
