"""Weights of a PyTorch network as a detector that `Detector::load` reads.

    python convert_weights.py WEIGHTS.pt DETECTOR.safetensors --period-px 9.9 [--bin 1] [--architecture Published]
    python convert_weights.py --check FOLDER

WEIGHTS.pt is a state dict as `torch.save(model.state_dict(), path)` writes it, of a network of the published recipe:
3 x 3 convolutions, each with a leaky rectifier (0.01) and batch normalisation behind it,

    1-32 | pool | 32-64, 64-64 | pool | 64-64 | up | 64-64 | up | 64-32 | 1 x 1 convolution to the logits

with 2 x 2 maximum pools and bilinear interpolation up (align_corners=False). Names do not matter: layers are taken in
the order of the state dict, which is that in which the model makes them, and every shape is checked. One logit is one
map of all defects; two are maps of dark and of bright ones. The network must have been trained on frames less their
slow background (a Gaussian of two lattice periods) and divided by their standard deviation, because that is what the
detector gives it.

--check makes such a network with random weights, converts it, and writes a frame and the map that PyTorch makes of it:
tests/training.rs compares the detector's with it.
"""

import argparse
import collections
import json
import pathlib
import struct

import numpy
import torch
from torch import nn

# Layers of each architecture in the order of their making, by the names that the library gives them.
LAYERS = {"Published": ["down0.0", "down1.0", "down1.1", "down2.0", "up0.0", "up1.0"]}
SHAPES = {"Published": [(1, 32), (32, 64), (64, 64), (64, 64), (64, 64), (64, 32)]}


def named(state, architecture):
    """Arrays by the library's names, and how many logits there are."""
    arrays, groups = collections.OrderedDict(), collections.OrderedDict()
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        module, _, leaf = name.rpartition(".")
        groups.setdefault(module, {})[leaf] = value.detach().cpu().float().numpy()
    groups = list(groups.values())
    layers = LAYERS[architecture]
    if len(groups) != 2 * len(layers) + 1:
        raise SystemExit(f"{len(groups)} modules have weights; {architecture} has {2 * len(layers) + 1}")
    for i, (layer, (wide_in, wide_out)) in enumerate(zip(layers, SHAPES[architecture])):
        convolution, norm = groups[2 * i], groups[2 * i + 1]
        expect(layer, convolution["weight"].shape, (wide_out, wide_in, 3, 3))
        expect(layer, norm["running_mean"].shape, (wide_out,))
        for leaf in ("weight", "bias"):
            arrays[f"network0.{layer}.conv.{leaf}"] = convolution[leaf]
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            arrays[f"network0.{layer}.norm.{leaf}"] = norm[leaf]
    head = groups[-1]
    logits = head["weight"].shape[0]
    if logits not in (1, 2):
        raise SystemExit(f"the last layer makes {logits} logits; a detector has 1 (defects) or 2 (dark, bright)")
    expect("head", head["weight"].shape, (logits, SHAPES[architecture][-1][1], 1, 1))
    arrays["network0.head.weight"], arrays["network0.head.bias"] = head["weight"], head["bias"]
    return arrays, logits


def expect(layer, found, expected):
    if tuple(found) != tuple(expected):
        raise SystemExit(f"{layer} has shape {tuple(found)}, not {tuple(expected)}: this is another network")


def write(path, arrays, header):
    """A safetensors file: the length of a JSON header, the header, the arrays."""
    tensors, at = {"__metadata__": header}, 0
    for name, array in arrays.items():
        size = 4 * array.size
        tensors[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(tensors).encode()
    text += b" " * (-len(text) % 8)
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(numpy.ascontiguousarray(array, dtype="<f4").tobytes())
    partial.rename(path)


def convert(state, path, architecture, period_px, bin_factor, source):
    arrays, logits = named(state, architecture)
    training = {"architecture": architecture, "input": "Frame", "output": "Defect" if logits == 1 else "Sign"}
    memory = {"training": training, "bin": bin_factor, "period_px": period_px, "source": source}
    header = {
        "format": "atomotion detector 4",
        "memory": json.dumps(memory),
        "architecture": architecture,
        "options": json.dumps(training),
        "data": source,
    }
    write(path, arrays, header)


def published(logits=1):
    """A network of the published recipe, as PyTorch makes it."""

    def layer(wide_in, wide_out):
        return nn.Sequential(nn.Conv2d(wide_in, wide_out, 3, padding=1), nn.LeakyReLU(0.01), nn.BatchNorm2d(wide_out))

    def up():
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)

    a, b, c, d, e, f = (layer(*wide) for wide in SHAPES["Published"])
    return nn.Sequential(a, nn.MaxPool2d(2), b, c, nn.MaxPool2d(2), d, up(), e, up(), f, nn.Conv2d(32, logits, 1))


def normalised(frame, sigma):
    """The frame less its Gaussian average (over what is there, at borders), by its standard deviation."""
    reach = int(numpy.ceil(4 * sigma))
    taps = numpy.exp(-(numpy.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()

    def average(image):
        for axis in (0, 1):
            image = numpy.apply_along_axis(lambda line: numpy.convolve(line, taps)[reach:-reach], axis, image)
        return image

    flat = frame - average(frame) / average(numpy.ones_like(frame))
    return flat / flat.std()


def check(folder):
    torch.manual_seed(5)
    model, period = published(), 3.5  # so short that the library sums every tap of its Gaussian too
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    model.eval()
    frame = numpy.random.default_rng(7).poisson(20, (64, 72)).astype("<f4")
    with torch.no_grad():
        image = torch.tensor(normalised(frame.astype("f8"), 2 * period)[None, None], dtype=torch.float32)
        expected = torch.sigmoid(model(image))[0, 0].numpy()
    folder.mkdir(parents=True, exist_ok=True)
    numpy.save(folder / "frame.npy", frame)
    numpy.save(folder / "expected.npy", expected.astype("<f4"))
    convert(model.state_dict(), folder / "detector.safetensors", "Published", period, 1, "random weights")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", type=pathlib.Path)
    parser.add_argument("detector", nargs="?", type=pathlib.Path)
    parser.add_argument("--period-px", type=float, help="lattice period, in binned pixels")
    parser.add_argument("--bin", type=int, default=1, help="pixels a side that are averaged into one first")
    parser.add_argument("--architecture", choices=sorted(LAYERS), default="Published")
    parser.add_argument("--check", type=pathlib.Path, metavar="FOLDER")
    given = parser.parse_args()
    if given.check:
        return check(given.check)
    if not given.weights or not given.detector or not given.period_px:
        parser.error("WEIGHTS.pt, DETECTOR.safetensors and --period-px are needed")
    # Weights alone: a pickle that would run code is refused.
    state = torch.load(given.weights, map_location="cpu", weights_only=True)
    convert(state, given.detector, given.architecture, given.period_px, given.bin, given.weights.name)


if __name__ == "__main__":
    main()
