"""What TensorBoard has of a folder of runs, for tensorboard_oracle_test.cpp: prints one JSON object.

Run: build/oracle-venv/bin/python tests/oracle/tensorboard_events.py LOGDIR [COMMAND ...]

Read by its EventAccumulator, and by its server through the API that its page uses, once with each of its readers ("slow", in Python; "fast", in Rust). With a
command all of them first read what is there, then the command is run, and what they have afterwards counts.
"""
import faulthandler
import hashlib
import io
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

faulthandler.dump_traceback_later(400, exit=True)  # should a server hang: says where
logdir, command = pathlib.Path(sys.argv[1]), sys.argv[2:]


def picture(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return {"format": image.format, "mode": image.mode, "size": list(image.size), "pixels": hashlib.sha256(image.tobytes()).hexdigest(),
            "first": list(image.tobytes()[:16])}


class Server:
    def __init__(self, fast):
        said = tempfile.NamedTemporaryFile()  # no pipe: nobody would empty it
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1",
             "--load_fast", "true" if fast else "false", "--samples_per_plugin", "scalars=10000,images=100"],
            stderr=said, stdout=subprocess.DEVNULL)
        until, found = time.time() + 60, None
        while not found:
            text = pathlib.Path(said.name).read_text()
            found = re.search(r"http://127\.0\.0\.1:\d+", text)
            if not found and (time.time() > until or self.process.poll() is not None):
                self.stop()
                sys.exit("tensorboard did not start: " + text)
            time.sleep(0.1)
        self.url = found.group(0)

    def get(self, route, **query):
        url = f"{self.url}/data/{route}" + ("?" + urllib.parse.urlencode(query) if query else "")
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()

    def json(self, route, **query):
        return json.loads(self.get(route, **query))

    def scalars(self):
        out = {}
        for run, tags in self.json("plugin/scalars/tags").items():
            for tag in tags:
                out.setdefault(run, {})[tag] = [point[1:] for point in self.json("plugin/scalars/scalars", run=run, tag=tag)]
        return out

    def images(self):
        out = {}
        for run, tags in self.json("plugin/images/tags").items():
            for tag in tags:
                shown = self.json("plugin/images/images", run=run, tag=tag, sample=0)
                out.setdefault(run, {})[tag] = [
                    dict(picture(self.get("plugin/images/individualImage?" + one["query"])), step=one["step"]) for one in shown]
        return out

    def embeddings(self):
        out = {}
        for run in self.json("plugin/projector/runs"):
            for one in self.json("plugin/projector/info", run=run)["embeddings"]:
                name = one["tensorName"]
                data = self.get("plugin/projector/tensor", run=run, name=name)
                out.setdefault(run, {})[name] = {
                    "shape": one["tensorShape"], "tile": one["sprite"]["singleImageDim"],
                    "values": list(struct.unpack(f"<{len(data) // 4}f", data)),
                    "metadata": self.get("plugin/projector/metadata", run=run, name=name).decode().splitlines(),
                    "sprite": picture(self.get("plugin/projector/sprite_image", run=run, name=name))}
        return out

    def settled(self, ended):
        """Once nothing has changed for some reloads and, after the run's end, its scores are there."""
        last, same, until = None, 0, time.time() + 120
        while same < 3:
            if time.time() > until:
                sys.exit(f"the server's scalars did not settle: {last}")
            time.sleep(1.0)
            now = self.scalars()
            done = now and (not ended or all(any(tag.startswith("scores/") for tag in run) for run in now.values()))
            same = same + 1 if done and now == last else 0
            last = now
        return last

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


folders = sorted(path.parent for path in logdir.rglob("*tfevents*"))
accumulators = {str(folder.relative_to(logdir)): EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}) for folder in folders}
servers = {"slow": Server(False), "fast": Server(True)}
out = {"before": {}}
try:
    for accumulator in accumulators.values():
        accumulator.Reload()
    if command:
        for name, server in servers.items():
            out["before"][name] = server.settled(False)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for accumulator in accumulators.values():
            accumulator.Reload()
    out["accumulator"] = {
        run: {"scalars": {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]},
              "images": {tag: [dict(picture(event.encoded_image_string), step=event.step, width=event.width, height=event.height)
                               for event in accumulator.Images(tag)] for tag in accumulator.Tags()["images"]}}
        for run, accumulator in accumulators.items()}
    for name, server in servers.items():
        out[name] = {"scalars": server.settled(True), "images": server.images(), "embeddings": server.embeddings()}
finally:
    for server in servers.values():
        server.stop()
print(json.dumps(out))
