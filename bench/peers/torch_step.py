"""The peer of `npm run bench`: one masked-dense training step of a language model in PyTorch (CPU or CUDA).

What a user would otherwise run: dense weights that are multiplied by a 0/1 mask after every SGD step, as every published
implementation of sparse-to-sparse training of recurrent networks does. Prints the median of milliseconds per step, tokens per
second, and the peak memory of the process in units of 1024 * 1024 bytes.
"""

import argparse
import resource
import statistics
import sys
import time

import torch
import torch.nn as nn

from torch_models import model_of

parser = argparse.ArgumentParser()
parser.add_argument("--model", default="stacked-lstm")
parser.add_argument("--depth", type=int, default=10)
parser.add_argument("--chunk", type=int, default=10)
parser.add_argument("--experts", type=int, default=10)
parser.add_argument("--hidden", type=int, default=1500)
parser.add_argument("--vocab", type=int, default=10000)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--batch", type=int, default=20)
parser.add_argument("--bptt", type=int, default=35)
parser.add_argument("--density", type=float, default=0.33)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--dropout", type=float, default=0.65)
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(0)


def synchronize():
    if args.device != "cpu":
        torch.cuda.synchronize()


device = torch.device(args.device)
model = model_of(args).to(device)
weights = [(name, weight) for name, weight in model.named_parameters() if "bias" not in name]
masks = {name: (torch.rand_like(weight) < args.density).float() for name, weight in weights}
optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=1.2e-6)
words = torch.randint(0, args.vocab, (args.bptt, args.batch), device=device)
targets = torch.randint(0, args.vocab, (args.bptt * args.batch,), device=device)


def detached(state):
    if state is None or isinstance(state, torch.Tensor):
        return None if state is None else state.detach()
    return type(state)(detached(part) for part in state)


state = None
times = []
for step in range(args.steps + 2):  # the first two do not count
    synchronize()
    begin = time.perf_counter()
    optimizer.zero_grad()
    loss, state = model(words, targets, detached(state))
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 0.25)
    optimizer.step()
    with torch.no_grad():
        for name, weight in weights:
            weight.mul_(masks[name])
    loss.item()  # waits for the device
    if step >= 2:
        times.append(time.perf_counter() - begin)

ms = statistics.median(times) * 1e3
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(
    f"torch {torch.__version__} model={args.model} hidden={args.hidden} density={args.density} ms_per_step={ms:.1f} "
    f"tokens_per_s={args.batch * args.bptt / ms * 1e3:.0f} peak_memory_mb={peak:.0f}"
)
