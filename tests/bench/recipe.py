"""The quickstart beside a plain PyTorch script of the same recipe: score, and time to reach it.

    build/oracle-venv/bin/python tests/bench/recipe.py build/release/bin/cdc-run [--script ../shared/reference/cdc_fashion_mnist.py] [--seeds 0 1 2] [--epochs 8]

For each seed the two take turns, each alone on the machine: the same five convolutions, batch, optimiser, schedule, loss, precision (bfloat16) and threads. Crops are each side's
own: the script cuts sides that stick out (mean area .69 from .4 on), torchvision and the engine draw again (.71 from .5 on, .65 from .4 on). Then the quickstart's own model
once more, which is what a user gets. Seconds are those of training alone on both sides. Skips, saying so, without the script or the data set.
"""
import argparse, json, pathlib, re, statistics, subprocess, sys, tempfile

SAME_MODEL = ["stage.cdc.graph.encoder.channels=[16, 32, 64, 64, 128]", "stage.cdc.graph.encoder.kernels=[3, 3, 3, 3, 3]",
              "stage.cdc.graph.encoder.strides=[2, 1, 2, 1, 2]", "stage.cdc.graph.encoder.pool_size=1", "stage.cdc.graph.views.equalize_p=0"]
REPO = pathlib.Path(__file__).resolve().parents[2]


def engine(o, seed, changes):
    with tempfile.TemporaryDirectory() as folder:
        command = [o.cdc_run, REPO / "pipelines/cdc_fashion_mnist.toml", "--seed", seed, "--threads", o.threads, "--cache", f"{folder}/cache",
                   "--run-dir", f"{folder}/run", f"stage.cdc.epochs={o.epochs}", "stage.cdc.precision=bfloat16",
                   'stage.scores.in.prediction=["cdc"]', *changes]
        subprocess.run([str(c) for c in command], check=True, stdout=subprocess.DEVNULL)
        run = pathlib.Path(folder) / "run"
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        score = json.loads((run / "summary.json").read_text())["scores"]["cdc"]
        return sum(line["seconds"] for line in lines if line.get("stage") == "cdc" and "loss" in line), score["acc"], score["nmi"]


def script(o, seed):
    command = [sys.executable, o.script, "--bfloat16", "--seed", seed, "--epochs", o.epochs, "--threads", o.threads]
    last = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    return tuple(float(re.search(rf"{name} ([\d.]+)", last)[1]) for name in ("seconds", "ACC", "NMI"))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cdc_run")
    p.add_argument("--script", default=REPO.parent / "shared/reference/cdc_fashion_mnist.py")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    p.add_argument("--epochs", type=int, default=8)
    p.add_argument("--threads", type=int, default=2)
    o = p.parse_args()
    for needed in (pathlib.Path(o.script), pathlib.Path("/usr/share/datasets/fashion-mnist")):
        if not needed.exists():
            print(f"skipped: {needed} is not there")
            return
    sides = {"script": lambda s: script(o, s), "engine, same model": lambda s: engine(o, s, SAME_MODEL), "engine, quickstart": lambda s: engine(o, s, [])}
    results = {name: [] for name in sides}
    for seed in o.seeds:
        for name, run in sides.items():
            results[name].append(run(seed))
            print(f"seed {seed}  {name:20s} {results[name][-1][0]:6.1f} s  ACC {results[name][-1][1]:.3f}  NMI {results[name][-1][2]:.3f}", flush=True)
    for name, runs in results.items():
        seconds, acc, nmi = (statistics.mean(r[i] for r in runs) for i in range(3))
        ratio = statistics.median(r[0] / s[0] for r, s in zip(runs, results["script"]))
        print(f"mean    {name:20s} {seconds:6.1f} s  ACC {acc:.3f}  NMI {nmi:.3f}  time / script {ratio:.2f}")


if __name__ == "__main__":
    main()
