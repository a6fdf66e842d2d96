"""Other programs that learn defects from one frame, as `cargo lab bench detect` runs them.

    python detect_peers.py train published|atomai FOLDER MASK SEED MINUTES OUT STEP_S
    python detect_peers.py step published|atomai FOLDER
    python detect_peers.py decode published|atomai FOLDER WEIGHTS

`train`: FOLDER holds `movie.npy` and the masks of frame 0 that `bench_detect frames` writes; MASK is `ours` or `published`.
Training is stopped every now and then, and the frames that are judged are searched: OUT is a file with one line of JSON for
each such stop: seconds of training so far, and for each threshold [frame, y, x, null, probability] of every defect.
It ends after MINUTES, or when a file OUT.enough appears. The last weights are left beside OUT.

Its clock is its steps times STEP_S: what else the machine has to do is not counted, so that one such run can go on every core,
or on a GPU. `step` measures STEP_S on the processor: its own time in one thread, divided by the number of cores, which is what
all of them would take if none ever waited for another. That is in its favour. It prints a line of JSON. `step` runs the
programs as they are; `train` runs the same trainings, but for rounding, in less time: channels last, convolutions of training in
bfloat16 where the processor has instructions for it, and without AtomAI's look at test crops after each step, from which nothing
is learnt.

`decode` prints what a frame takes from pixels to positions, on all cores or the GPU, by the clock on the wall.

`published` is the recipe of the WS2 paper (npj Computational Materials 5, 12, 2019) in PyTorch: the encoder-decoder of 149 k
weights, focal loss, crops of 256 x 256 that are turned, flipped, zoomed, blurred, and given noise and another contrast, 32 a
step, Adam at 1e-3. `atomai` is AtomAI's Segmentor with its defaults (U-Net, batches of 32, its own augmentation), on
crops of 128 x 128 of the frame.
"""

import json
import math
import os
import pathlib
import sys
import tempfile
import time

if sys.argv[1:2] == ["step"]:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what the processor takes

import numpy
import torch
from scipy import ndimage

THRESHOLDS = tuple(t / 20 for t in range(4, 15))
"""From 0.2 to 0.7. The published recipe's probabilities all lie close together in faint movies: with fewer of these it seems to
find nothing where it finds half."""
CORES = len(os.sched_getaffinity(0))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALF = DEVICE == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
ROUNDS = 3
"""Of decoding, of which the best counts."""


def normalised(frame):
    return (frame - frame.mean()) / frame.std()


def defects(probability, threshold):
    """Regions above the threshold, at least 4 pixels large: centre by probability, and the highest of each."""
    regions, count = ndimage.label(probability > threshold)
    index = numpy.arange(1, count + 1)
    if count == 0:
        return []
    sizes = ndimage.sum(regions > 0, regions, index)
    centres = ndimage.center_of_mass(probability, regions, index)
    highest = ndimage.maximum(probability, regions, index)
    return [(float(y), float(x), float(p)) for (y, x), p, n in zip(centres, highest, sizes) if n >= 4]


class Report:
    """A line for each stop, and the seconds of training."""

    as_is = False
    """Whether the program is run as it is, however slow."""

    def __init__(self, movie, judged, out, step_s):
        self.movie, self.judged, self.out, self.step_s = movie, judged, out, step_s
        self.steps = 0

    def elapsed(self):
        return self.steps * self.step_s

    def quicken(self, network):
        if self.as_is:
            return network
        plain = network.forward

        def forward(images):
            with torch.autocast("cpu", torch.bfloat16, enabled=HALF and network.training):
                return plain(images).float()

        network.forward = forward
        return network.to(memory_format=torch.channels_last)

    def stop(self, probabilities):
        """`probabilities` makes a map of a frame."""
        found = {threshold: [] for threshold in THRESHOLDS}
        for frame in self.judged:
            of = probabilities(self.movie[frame])
            for threshold in THRESHOLDS:
                found[threshold] += [[frame, y, x, None, p] for y, x, p in defects(of, threshold)]
        with open(self.out, "a") as file:
            line = {"seconds": self.elapsed(), "steps": self.steps, "device": DEVICE, "found": found}
            file.write(json.dumps(line) + "\n")


def published(frame, mask, rng, report, minutes, enough):
    from convert_weights import published as network

    model = report.quicken(network().to(DEVICE))
    descent = torch.optim.Adam(model.parameters(), lr=1e-3)
    image, mask = normalised(frame), mask.astype("f4")

    def crop():
        size = int(256 * rng.uniform(0.8, 1.2))
        size = min(size, *image.shape)
        y, x = (rng.integers(0, n - size + 1) for n in image.shape)
        part, target = (m[y:y + size, x:x + size] for m in (image, mask))
        zoom = 256 / size
        part, target = ndimage.zoom(part, zoom, order=1), ndimage.zoom(target, zoom, order=0)
        turns, flip = rng.integers(4), rng.integers(2)
        part, target = numpy.rot90(part, turns), numpy.rot90(target, turns)
        if flip:
            part, target = part[:, ::-1], target[:, ::-1]
        part = ndimage.gaussian_filter(part, rng.uniform(0, 1.0))
        part = part * rng.uniform(0.8, 1.2) + rng.normal(0, rng.uniform(0, 0.3), part.shape)
        return part.astype("f4"), target.astype("f4")

    def loss(logits, target):
        plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        right = torch.exp(-plain)
        weight = 0.25 * target + 0.75 * (1 - target)
        return (weight * (1 - right) ** 2 * plain).mean() * 100

    def probabilities(frame):
        model.eval()
        with torch.no_grad():
            seen = torch.tensor(normalised(frame)[None, None], dtype=torch.float32, device=DEVICE)
            return torch.sigmoid(model(seen))[0, 0].cpu().numpy()

    last = 0.0
    while report.elapsed() < 60 * minutes and not enough.exists():
        model.train()
        images, targets = (torch.tensor(numpy.stack(some)[:, None]).to(DEVICE) for some in zip(*(crop() for _ in range(32))))
        descent.zero_grad()
        value = loss(model(images), targets)
        value.backward()
        descent.step()
        report.steps += 1
        if report.elapsed() - last >= 60:
            report.stop(probabilities)
            last = report.elapsed()
    report.stop(probabilities)
    torch.save(model.state_dict(), enough.with_suffix(".weights"))


def atomai(frame, mask, rng, report, minutes, enough):
    import atomai

    image, size = normalised(frame), 128

    def crops(count):
        places = [tuple(rng.integers(0, n - size + 1) for n in image.shape) for _ in range(count)]
        cut = lambda whole: numpy.stack([whole[y:y + size, x:x + size] for y, x in places]).astype("f4")  # noqa: E731
        return cut(image), cut(mask)

    (images, masks), (test_images, test_masks) = crops(256), crops(32)
    model = atomai.models.Segmentor(nb_classes=1, seed=int(rng.integers(1 << 30)))
    model.meta_state_dict["weights"] = report.quicken(model.net).state_dict()  # what it saves
    if not report.as_is:
        model.test_step = lambda *_: (math.nan,)

    def probabilities(frame):
        return model.predict(normalised(frame)[None].astype("f4"), verbose=False)[0][0, ..., 0]

    cycles = 25
    while report.elapsed() < 60 * minutes and not enough.exists():
        model.fit(images, masks, test_images, test_masks, training_cycles=cycles, batch_size=32, print_loss=10**6,
                  plot_training_history=False, filename=str(enough.with_suffix(".model")),
                  gauss_noise=[0, 30], zoom=2, rotation=True, contrast=[7, 13], blur=[0, 10])
        report.steps += cycles
        report.stop(probabilities)
        cycles = min(2 * cycles, 50)


PROGRAMS = {"published": published, "atomai": atomai}
STEPS = {"published": 6, "atomai": 40}
"""That STEP_S is measured with."""


class Counted(Report):
    """Goes on for some steps and keeps nothing."""

    as_is = True

    def __init__(self, most):
        super().__init__(None, (), None, 0.0)
        self.most = most

    def elapsed(self):
        return math.inf if self.steps >= self.most else 0.0

    def stop(self, _):
        pass


def step(which, folder):
    """Processor seconds of a step, divided by the number of cores."""
    torch.set_num_threads(1)
    frame, mask = numpy.load(folder / "movie.npy")[0].astype("f4"), numpy.load(folder / "ours.npy")[0]
    times = {}
    for most in (0, 1, 1 + STEPS[which]):  # the first for what is loaded once
        with tempfile.TemporaryDirectory() as scratch:
            counted, begun = Counted(most), time.process_time()
            PROGRAMS[which](frame, mask, numpy.random.default_rng(1), counted, 1.0, pathlib.Path(scratch) / "never.enough")
            times[counted.steps] = time.process_time() - begun
    few, many = sorted(times)[-2:]
    step_s = (times[many] - times[few]) / (many - few) / CORES
    assert step_s > 0, times
    print(json.dumps({"step_s": step_s}))


def decode(which, folder, weights):
    """Seconds of a frame: the whole movie, as each program would have it."""
    movie = numpy.load(folder / "movie.npy").astype("f4")
    stack = numpy.stack([normalised(frame) for frame in movie])
    if which == "published":
        from convert_weights import published as network

        model = network().to(DEVICE).eval()
        model.load_state_dict(torch.load(weights, map_location=DEVICE))

        def search():
            with torch.no_grad():  # one by one, which is faster than together
                maps = [torch.sigmoid(model(torch.tensor(frame[None, None]).to(DEVICE)))[0, 0].cpu().numpy() for frame in stack]
            return [defects(of, 0.5) for of in maps]
    else:
        import atomai

        model = atomai.models.load_model(str(weights))

        def search():
            return model.predict(stack, verbose=False)[1]

    search()
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        search()
        times.append(time.perf_counter() - begun)
    print(json.dumps({"frame_s": min(times) / len(movie)}))


def train(which, folder, mask, seed, minutes, out, step_s):
    folder, out = pathlib.Path(folder), pathlib.Path(out)
    movie = numpy.load(folder / "movie.npy")
    mask = numpy.load(folder / f"{mask}.npy")[0]
    judged = range(*json.loads((folder / "about.json").read_text())["judged"])
    torch.set_num_threads(1)
    torch.manual_seed(int(seed))
    numpy.random.seed(int(seed))
    report = Report(movie, judged, out, float(step_s))
    PROGRAMS[which](movie[0].astype("f4"), mask, numpy.random.default_rng(int(seed)), report, float(minutes),
                    out.with_suffix(".enough"))


def main():
    verb, which, folder, *words = sys.argv[1:]
    folder = pathlib.Path(folder)
    {"train": train, "step": step, "decode": decode}[verb](which, folder, *words)


if __name__ == "__main__":
    main()
