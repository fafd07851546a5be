"""The PyTorch scripts that `commands.py` runs beside ours: LeNet-5 trained on IDX files, and used on one image.

As one would write them who minds time and memory: pixels stay bytes until their batch is made, nothing is imported that
is not used.
"""

NETWORK = """
import sys, torch
from torch import nn

def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True), nn.Linear(84, 10))
"""

PREDICT = (
    NETWORK
    + """
import numpy as np
from PIL import Image

image, checkpoint = sys.argv[1:]
stored = torch.load(checkpoint, weights_only=True)
network = lenet5().eval()
network.load_state_dict(stored)
pixels = np.asarray(Image.open(image).convert("L").resize((28, 28)), np.float32)
with torch.inference_mode():
    scores = network(((torch.from_numpy(pixels) / 255 - 0.286) / 0.353)[None, None]).softmax(1)[0]
print(image, int(scores.argmax()), f"{float(scores.max()):.3f}")
"""
)

TRAIN = (
    NETWORK
    + """
import gzip, json, time
from pathlib import Path
import numpy as np

folder, threads, checkpoint = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_num_threads(threads)

def elements(name, rank):
    path = next(folder.glob(name + "*"))
    with (gzip.open(path) if path.suffix == ".gz" else open(path, "rb")) as file:
        head = file.read(4 + 4 * rank)
        found = np.empty(np.frombuffer(head[4:], ">u4"), np.uint8)
        file.readinto(found.data.cast("B"))
    return torch.from_numpy(found)

def part(name):
    return elements(name + "-images", 3)[:, None], elements(name + "-labels", 1).long()

images, labels = part("train")
mean, std = 0.286, 0.353
network = lenet5()
weights = [p for p in network.parameters() if p.ndim > 1]
biases = [p for p in network.parameters() if p.ndim == 1]
optimizer = torch.optim.SGD([{"params": weights, "weight_decay": 4e-3}, {"params": biases}], lr=0.05, momentum=0.9,
                            nesterov=True)
loss_of = nn.CrossEntropyLoss()
order = torch.randperm(len(labels))
aside, order = order[: len(order) // 10], order[len(order) // 10 :]

def batch(images, indices):
    return (images[indices].float() / 255 - mean) / std

def accuracy(images, labels, indices):
    hits = 0
    with torch.inference_mode():
        for some in indices.split(64):
            hits += int((network(batch(images, some)).argmax(1) == labels[some]).sum())
    return hits / len(indices)

began = time.perf_counter()
total = 0.0
for some in order.split(64):
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(network(batch(images, some)), labels[some])
    loss.backward()
    optimizer.step()
    total += float(loss) * len(some)
validation = accuracy(images, labels, aside)
seconds = time.perf_counter() - began
torch.save(network.state_dict(), checkpoint)
test_images, test_labels = part("t10k")
test = accuracy(test_images, test_labels, torch.arange(len(test_labels)))
print(json.dumps({"epoch_s": seconds, "test_accuracy": test}))
"""
)
