"""The peer of `npm run bench`: one masked-dense training step of a stacked LSTM language model in PyTorch (CPU or CUDA).

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

parser = argparse.ArgumentParser()
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


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(args.dropout)
        self.embedding = nn.Embedding(args.vocab, args.hidden)
        self.lstm = nn.LSTM(args.hidden, args.hidden, args.layers, dropout=args.dropout if args.layers > 1 else 0)
        self.decoder = nn.Linear(args.hidden, args.vocab)

    def forward(self, words, state):
        y, state = self.lstm(self.drop(self.embedding(words)), state)
        return self.decoder(self.drop(y).flatten(0, 1)), state


def synchronize():
    if args.device != "cpu":
        torch.cuda.synchronize()


device = torch.device(args.device)
model = LanguageModel().to(device)
weights = [(name, weight) for name, weight in model.named_parameters() if "bias" not in name]
masks = {name: (torch.rand_like(weight) < args.density).float() for name, weight in weights}
optimizer = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=1.2e-6)
words = torch.randint(0, args.vocab, (args.bptt, args.batch), device=device)
targets = torch.randint(0, args.vocab, (args.bptt * args.batch,), device=device)
state = tuple(torch.zeros(args.layers, args.batch, args.hidden, device=device) for _ in range(2))
times = []
for step in range(args.steps + 2):  # the first two do not count
    synchronize()
    begin = time.perf_counter()
    optimizer.zero_grad()
    state = tuple(tensor.detach() for tensor in state)
    logits, state = model(words, state)
    loss = nn.functional.cross_entropy(logits, targets)
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
    f"torch {torch.__version__} hidden={args.hidden} density={args.density} ms_per_step={ms:.1f} "
    f"tokens_per_s={args.batch * args.bptt / ms * 1e3:.0f} peak_memory_mb={peak:.0f}"
)
