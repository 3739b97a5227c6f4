"""What cdc-report takes for a run of 70,000 images: seconds and megabytes.

    python3 tests/bench/report.py build/release/bin [--run RUN] [--rounds 3]

Of RUN, a run's directory; else of pipelines/cdc_fashion_mnist.toml with one epoch, run first into a temporary folder. Prints the median over rounds, the least and the
greatest. Skips, saying so, without the data set.
"""
import argparse, os, pathlib, statistics, subprocess, tempfile, time

REPO = pathlib.Path(__file__).resolve().parents[2]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("bin", type=lambda folder: pathlib.Path(folder).resolve())
    p.add_argument("--run", type=pathlib.Path)
    p.add_argument("--rounds", type=int, default=3)
    o = p.parse_args()
    root = os.environ.get("CDC_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
    if o.run is None and not os.path.isdir(root):
        return print(f"skipped: no Fashion-MNIST in {root} (package dataset-fashion-mnist)")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        run = o.run or folder / "run"
        if o.run is None:
            subprocess.run([o.bin / "cdc-run", REPO / "pipelines/cdc_fashion_mnist.toml", "stage.cdc.epochs=1", "--cache", folder / "cache", "--run-dir", run],
                           check=True, stdout=subprocess.DEVNULL)
        page, seconds = folder / "report.html", []
        for _ in range(o.rounds):
            start = time.perf_counter()
            subprocess.run([o.bin / "cdc-report", run, "-o", page], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        print(f"{statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
