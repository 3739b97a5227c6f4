"""Files of weights of PyTorch for weights_oracle_test.cpp, and PyTorch's features of this engine's weights. Prints one JSON object.

Run: build/oracle-venv/bin/python tests/oracle/weights.py write FOLDER
     build/oracle-venv/bin/python tests/oracle/weights.py features FILE.safetensors IMAGES...
"""
import argparse
import json
import os
import struct
import sys

import numpy
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)


def conv(channels, out, kernel, stride):
    return nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, out, 3, stride), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = conv(out, out, 3, 1), nn.BatchNorm2d(out)
        self.downsample = nn.Sequential(conv(channels, out, 1, stride), nn.BatchNorm2d(out)) if stride > 1 or channels != out else None

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return (y + (self.downsample(x) if self.downsample else x)).relu()


class ResNet18(nn.Module):
    """Torchvision's, by names and numbers (arXiv 1512.03385), of grey images."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = conv(1, 64, 7, 2), nn.BatchNorm2d(64)
        for i, (channels, out) in enumerate(((64, 64), (64, 128), (128, 256), (256, 512)), 1):
            setattr(self, f"layer{i}", nn.Sequential(Block(channels, out, 1 + (i > 1)), Block(out, out, 1)))
        self.fc = nn.Linear(512, 8)
        for m in self.modules():  # as training leaves them
            if isinstance(m, nn.BatchNorm2d):
                for tensor, low, high in ((m.weight, .5, 1), (m.bias, -.2, .2), (m.running_mean, -.2, .2), (m.running_var, .5, 1.5)):
                    nn.init.uniform_(tensor, low, high)
                m.num_batches_tracked += 12

    def features(self, x):
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3))


class MoCo(nn.Module):
    """What MoCo's checkpoints hold; the key encoder is a small one here."""

    def __init__(self):
        super().__init__()
        self.encoder_q, self.encoder_k = ResNet18(), nn.Linear(3, 3)
        self.register_buffer("queue", F.normalize(torch.randn(8, 16), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))


def pixels():
    """The images of GraphStageContext: 60 of 4 x 3."""
    i, k = torch.arange(60)[:, None], torch.arange(12)[None]
    return ((i * 37 + k * 11 + i * k) % 256).reshape(60, 1, 4, 3) / 255


def cases():
    base = torch.randn(6, 8)
    tensors = {f"type.{str(t)[6:]}": (100 * torch.randn(3, 5)).to(t) for t in (torch.float64, torch.float32, torch.float16, torch.bfloat16)}
    tensors |= {f"type.{str(t)[6:]}": torch.randint(0, 100, (7,), dtype=t) for t in (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)}
    tensors["type.bool"] = torch.tensor([True, False, True])
    tensors["scalar"], tensors["empty"] = torch.tensor(2.5), torch.zeros(0, 3)
    views = {"whole": base, "transposed": base.t(), "rows": base[2:4], "columns": base[:, 1:7:2], "number": base[3, 4], "row": base[5],
             "expanded": base[0].expand(4, 8), "channels_last": torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last),
             "half_view": torch.randn(10).half()[3:7]}
    return tensors, views


def told(tensors):
    return {name: {"shape": list(t.shape), "values": t.double().flatten().tolist()} for name, t in tensors.items()}


def write(folder):
    torch.manual_seed(3)
    at = lambda name: os.path.join(folder, name)  # noqa: E731
    tensors, views = cases()
    expected = {}
    safetensors.torch.save_file(tensors, at("cases.safetensors"), {"made by": "safetensors"})
    expected["cases.safetensors"] = told(tensors)
    every = {**tensors, "views": views, "parameter": nn.Parameter(torch.randn(4)), "list": [torch.randn(2)], "epoch": 3, "loss": 0.5, "name": "x",
             "args": argparse.Namespace(lr=0.1), "numpy": numpy.ones(2), "size": torch.Size([2])}
    named = told({**tensors, **{f"views.{k}": v for k, v in views.items()}, "parameter": every["parameter"].detach(), "list.0": every["list"][0]})
    for name, is_zip, checksums in (("cases.pth", True, True), ("cases_no_checksums.pth", True, False), ("cases_old.pth", False, True)):
        torch.serialization.set_crc32_options(checksums)
        torch.save(every, at(name), _use_new_zipfile_serialization=is_zip)
        expected[name] = named
    torch.serialization.set_crc32_options(True)
    trained = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(trained.parameters())
    trained(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    torch.save({"state_dict": trained.state_dict(), "optimizer": optimizer.state_dict()}, at("optimizer.pth"))
    expected["optimizer.pth"] = told({**{f"state_dict.{k}": v for k, v in trained.state_dict().items()},
                                      **{f"optimizer.state.{i}.{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()}})
    torch.save(trained, at("network.pth"))
    torch.save(trained, at("network_old.pth"), _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.trace(trained, torch.randn(4, 3)), at("script.pth"))
    torch.save(trained.state_dict(), at("protocol4.pth"), pickle_protocol=4)

    resnet, moco = ResNet18().eval(), nn.Module()
    moco.module = MoCo().eval()
    torch.save(resnet.state_dict(), at("resnet18.pth"))
    torch.save({"epoch": 800, "arch": "resnet18", "state_dict": moco.state_dict(), "optimizer": torch.optim.SGD(moco.parameters(), 0.03).state_dict()},
               at("moco_v2.pth.tar"), _use_new_zipfile_serialization=False)
    half = {name: t.half() if t.is_floating_point() else t for name, t in resnet.state_dict().items()}
    safetensors.torch.save_file(half, at("resnet18_half.safetensors"))
    result = {"files": expected}
    with torch.no_grad():
        result["features"] = {"resnet18.pth": resnet.features(pixels()).tolist(), "moco_v2.pth.tar": moco.module.encoder_q.features(pixels()).tolist()}
        resnet.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in half.items()})
        result["features"]["resnet18_half.safetensors"] = resnet.features(pixels()).tolist()
    return result


def read_idx(path):
    with open(path, "rb") as f:
        _, n, h, w = struct.unpack(">4i", f.read(16))
        return torch.frombuffer(bytearray(f.read()), dtype=torch.uint8).reshape(n, 1, h, w) / 255


def features(weights, *images):
    """Those of the node 'encoder' of tests/e2e/small_pipeline.hpp."""
    state = safetensors.torch.load_file(weights)
    encoder = {name[len("encoder."):]: tensor for name, tensor in state.items() if name.startswith("encoder.")}
    net = nn.Sequential(*(nn.Sequential(conv(c, out, 3, 2), nn.BatchNorm2d(out), nn.ReLU()) for c, out in ((1, 4), (4, 8), (8, 16)))).eval()
    net.load_state_dict(encoder)
    with torch.no_grad():
        return {"features": net(torch.cat([read_idx(path) for path in images])).mean((2, 3)).tolist()}


print(json.dumps({"write": write, "features": features}[sys.argv[1]](*sys.argv[2:])))
