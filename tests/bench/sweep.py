"""What cdc-sweep costs beside the runs themselves.

    python3 tests/bench/sweep.py build/release/bin/cdc-sweep [--cells 100] [--rounds 5]

k-means on the pixels of Fashion-MNIST's 10,000 test images, a number of clusters a cell. Prints milliseconds a cell, the median over rounds, of a sweep whose results are
all in the cache (the cells' run directories are made anew) and of one whose cells are all done; both with and without what starting the program takes. Skips, saying so, without the data set.
"""
import argparse, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time

PIPELINE = """[pipeline]
name = "pixels"
[stage.images]
plugin = "dataset.idx"
root   = "{root}"
split  = "test"
[stage.pixels]
plugin  = "stage.extract"
in.data = "images"
node    = "plain"
[stage.pixels.graph.plain]
plugin = "augment.plain"
mean   = [0.0]
std    = [1.0]
[stage.kmeans]
plugin      = "cluster.kmeans"
in.features = "pixels"
clusters    = 10
restarts    = 1
max_iterations = 2
[stage.scores]
plugin        = "metric.clustering"
in.prediction = ["kmeans"]
in.data       = "images"
"""


def main():
    p = argparse.ArgumentParser()
    p.add_argument("cdc_sweep")
    p.add_argument("--cells", type=int, default=100)
    p.add_argument("--rounds", type=int, default=5)
    o = p.parse_args()
    root = os.environ.get("CDC_FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
    if not os.path.isdir(root):
        return print(f"skipped: no Fashion-MNIST in {root} (package dataset-fashion-mnist)")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "p.toml").write_text(PIPELINE.format(root=root))
        (folder / "s.toml").write_text('[sweep]\nbase = "p.toml"\n[axes]\nstage.kmeans.clusters = { from = 2, to = %d, step = 1 }\n' % (o.cells + 1))
        (folder / "one.toml").write_text('[sweep]\nbase = "p.toml"\n[axes]\nstage.kmeans.clusters = [2]\n')

        def seconds(file):
            start = time.perf_counter()
            subprocess.run([os.path.abspath(o.cdc_sweep), file], cwd=folder, check=True, capture_output=True)
            return time.perf_counter() - start

        print(f"first call: {seconds('s.toml') / o.cells * 1e3:.1f} ms a cell")
        seconds("one.toml")
        cached, done, start = [], [], []
        for _ in range(o.rounds):
            shutil.rmtree(folder / "sweeps/s")
            cached.append(seconds("s.toml"))
            done.append(seconds("s.toml"))
            start.append(seconds("one.toml"))
        base = statistics.median(start)
        for name, times in (("all in the cache", cached), ("all done", done)):
            t = statistics.median(times)
            print(f"{name}: {t / o.cells * 1e3:.2f} ms a cell ({(t - base) / (o.cells - 1) * 1e3:.2f} without the {base:.2f} s that one cell takes)")


if __name__ == "__main__":
    main()
