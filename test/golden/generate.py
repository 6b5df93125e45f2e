"""Further golden cases of every model, of sizes drawn from a seed: `python generate.py FOLDER [--seed N] [--count N]`, with PyTorch.

The cases in `cases/` were made with the published implementations. These are made with equations written down once more (as in the
papers cited in src/worker/models), differentiated by PyTorch in float64, and have the same format: manifest.json says what a case is,
NAME.safetensors holds its tensors. `npm run golden -- FOLDER` compares.
"""

import argparse
import json
import math
import random
import struct
from pathlib import Path

import torch
import torch.nn.functional as F


def rounded(tensor):
    """What a case gives is stored in float32, so that both sides begin with the same numbers."""
    return tensor.float().double()


class Case:
    """Parameters, dropout masks and whatever else a case has, by name, as they are asked for."""

    def __init__(self, draw):
        self.draw, self.parameters, self.masks = draw, {}, {}
        self.steps, self.batch, self.words = draw.choice([1, 2, 5, 9, 23]), draw.choice([1, 2, 3, 7, 33]), draw.randint(11, 90)

    def parameter(self, name, *shape, bound=0.4):
        if name not in self.parameters:
            self.parameters[name] = rounded(torch.empty(*shape).uniform_(-bound, bound)).requires_grad_()
        return self.parameters[name]

    def affine(self, name, rows, columns, biased=True):
        bound = 1 / math.sqrt(columns)
        return self.parameter(f"{name}.weight", rows, columns, bound=bound), self.parameter(f"{name}.bias", rows, bound=bound) if biased else None

    def mask(self, site, p, *shape, scaled=True):
        """What is dropped at a site: nothing where p is None or 0."""
        if not p:
            return 1.0
        if site not in self.masks:
            self.masks[site] = rounded(torch.empty(*shape).bernoulli_(1 - p) / ((1 - p) if scaled else 1))
        return self.masks[site]


def lstm(x, parameters, weight_hh, state, _chunk):
    (weight_ih, bias_ih, bias_hh), (h, c) = parameters, state
    outputs = []
    for step in x:
        i, f, g, o = (F.linear(step, weight_ih, bias_ih) + F.linear(h, weight_hh, bias_hh)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs), [h, c]


def elman(x, parameters, weight_hh, state, _chunk):
    (weight_ih, bias_ih, bias_hh), (h,) = parameters, state
    outputs = []
    for step in x:
        h = torch.tanh(F.linear(step, weight_ih, bias_ih) + F.linear(h, weight_hh, bias_hh))
        outputs.append(h)
    return torch.stack(outputs), [h]


def gru(x, parameters, weight_hh, state, _chunk):
    (weight_ih, bias_ih, bias_hh), (h,) = parameters, state
    outputs = []
    for step in x:
        of_input, of_state = F.linear(step, weight_ih, bias_ih).chunk(3, 1), F.linear(h, weight_hh, bias_hh).chunk(3, 1)
        r, z = (torch.sigmoid(a + b) for a, b in zip(of_input[:2], of_state[:2]))
        h = (1 - z) * torch.tanh(of_input[2] + r * of_state[2]) + z * h
        outputs.append(h)
    return torch.stack(outputs), [h]


def on_lstm(x, parameters, weight_hh, state, chunk):
    (weight_ih, bias_ih, bias_hh), (h, c) = parameters, state
    masters = h.size(1) // chunk
    outputs = []
    for step in x:
        z = F.linear(step, weight_ih, bias_ih) + F.linear(h, weight_hh, bias_hh)
        master_in = (1 - torch.cumsum(F.softmax(z[:, :masters], 1), 1)).unsqueeze(2)
        master_forget = torch.cumsum(F.softmax(z[:, masters : 2 * masters], 1), 1).unsqueeze(2)
        o, g, i, f = (gate.view(-1, masters, chunk) for gate in z[:, 2 * masters :].chunk(4, 1))
        overlap = master_forget * master_in
        keep = torch.sigmoid(f) * overlap + (master_forget - overlap)
        take = torch.sigmoid(i) * overlap + (master_in - overlap)
        c = keep * c + take * torch.tanh(g)
        h = (torch.sigmoid(o) * torch.tanh(c)).flatten(1)
        outputs.append(h)
    return torch.stack(outputs), [h, c]


CELLS = {
    "stacked-lstm": (lstm, "lstm", 4),
    "awd-lstm": (lstm, "lstm", 4),
    "awd-lstm-mos": (lstm, "lstm", 4),
    "elman-rnn": (elman, "elman", 1),
    "gru": (gru, "gru", 3),
    "on-lstm": (on_lstm, "onlstm", 4),
}


def stack(case, entry, x, shares, train, state_in):
    """Layers one above the other; the state begins with random numbers."""
    cell, prefix, gates = CELLS[entry["model"]]
    count, chunk = entry["layers"], entry.get("chunk")
    drawn_anew = entry["model"] in ("stacked-lstm", "elman-rnn", "gru")
    last = entry.get("hiddenLast") or (entry["embedding"] if entry["model"] == "on-lstm" and entry["tied"] else entry["hidden"])
    state_out = []
    for layer in range(count):
        size, inputs = last if layer == count - 1 else entry["hidden"], x.size(2)
        rows = gates * size + (2 * size // chunk if chunk else 0)
        name = f"{prefix}.{layer}"
        weight_hh = case.parameter(f"{name}.weight_hh", rows, size, bound=1 / math.sqrt(size))
        weight_drop = shares.get("weight")
        if weight_drop and train:
            weight_hh = weight_hh * case.mask(f"weight.{layer}", weight_drop, rows, size, scaled=cell is lstm)
        elif weight_drop and cell is on_lstm:
            weight_hh = weight_hh * (1 - weight_drop)
        others = [
            case.parameter(f"{name}.weight_ih", rows, inputs, bound=1 / math.sqrt(inputs)),
            case.parameter(f"{name}.bias_ih", rows, bound=0.3),
            case.parameter(f"{name}.bias_hh", rows, bound=0.3),
        ]
        state = [rounded(torch.randn(case.batch, size))]
        if cell is lstm:
            state.append(rounded(torch.randn(case.batch, size)))
        elif cell is on_lstm:
            state.append(rounded(torch.randn(case.batch, size // chunk, chunk)))
        state_in += state
        x, after = cell(x, others, weight_hh, state, chunk)
        state_out += after
        if layer < count - 1:
            x = x * case.mask(f"hidden.{layer}", shares.get("hidden"), case.steps if drawn_anew else 1, case.batch, size)
    return x, state_out


def rhn(case, entry, x, shares, state_in):
    size, inputs = entry["hidden"], x.size(2)
    parts = [("", 2)] if entry["coupled"] else [("", 2), ("_carry", 1)]
    s = rounded(torch.randn(case.batch, size))
    state_in.append(s)
    mask = case.mask("recurrent", shares.get("recurrent"), case.batch, size)
    outputs = []
    for step in x:
        for depth in range(entry["depth"]):
            a = []
            for part, gates in parts:
                z = F.linear(s * mask, *case.affine(f"rhn.{depth}.recurrent{part}", gates * size, size))
                if depth == 0:
                    z = z + F.linear(step, *case.affine(f"rhn.0.input{part}", gates * size, inputs))
                a += z.chunk(gates, 1)
            transform = torch.sigmoid(a[1])
            carry = torch.sigmoid(a[2]) if len(a) == 3 else 1 - transform
            s = torch.tanh(a[0]) * transform + s * carry
        outputs.append(s)
    return torch.stack(outputs), [s]


def generate(entry, draw):
    case = Case(draw)
    if entry.get("temporalActivationReg"):
        case.steps = max(case.steps, 2)
    entry.update(T=case.steps, B=case.batch, V=case.words)
    dropout = entry["dropout"]
    shares = dropout if isinstance(dropout, dict) else dict.fromkeys(("input", "hidden", "output"), dropout)
    train = any(shares.values())
    shares = {**shares, **({"weight": entry["weightDrop"]} if entry.get("weightDrop") else {})}
    drawn_anew = entry["model"] in ("stacked-lstm", "elman-rnn", "gru")
    words = torch.randint(0, case.words, (case.steps, case.batch))
    targets = torch.randint(0, case.words, (case.steps * case.batch,))
    size = entry["embedding"] if "embedding" in entry else entry["hidden"]
    embedding = case.parameter("embedding.weight", case.words, size)
    x = F.embedding(words, embedding * case.mask("embedding", shares.get("embedding"), case.words, 1))
    x = x * case.mask("input", shares.get("input"), case.steps if drawn_anew else 1, case.batch, size)
    state_in = []
    if entry["model"] == "rhn":
        raw, state_out = rhn(case, entry, x, shares, state_in)
    else:
        raw, state_out = stack(case, entry, x, shares, train, state_in)
    y = raw * case.mask("output", shares.get("output"), case.steps if drawn_anew else 1, case.batch, raw.size(2))
    experts = entry.get("experts")
    decoded = size if experts else raw.size(2)
    decoder = embedding if entry["tied"] else case.parameter("decoder.weight", case.words, decoded)
    bias = case.parameter("decoder.bias", case.words)
    if experts:
        latent = torch.tanh(F.linear(y, *case.affine("mos.latent", experts * size, raw.size(2))))
        latent = latent * case.mask("latent", shares.get("latent"), 1, case.batch, experts * size)
        prior = F.softmax(F.linear(y.flatten(0, 1), case.affine("mos.prior", experts, raw.size(2), biased=False)[0]), 1)
        each = F.softmax(F.linear(latent.reshape(-1, experts, size), decoder, bias), 2)
        output = torch.log((prior.unsqueeze(2) * each).sum(1) + 1e-8)
        loss = F.nll_loss(output, targets)
    else:
        output = F.linear(y.flatten(0, 1), decoder, bias)
        loss = F.cross_entropy(output, targets)
    if entry.get("activationReg"):
        loss = loss + entry["activationReg"] * (raw if entry["model"] == "on-lstm" else y).pow(2).mean()
    if entry.get("temporalActivationReg"):
        loss = loss + entry["temporalActivationReg"] * (raw[1:] - raw[:-1]).pow(2).mean()
    names = list(case.parameters)
    gradients = dict(zip(names, torch.autograd.grad(loss, [case.parameters[name] for name in names])))
    norm = torch.sqrt(sum(gradient.pow(2).sum() for gradient in gradients.values()))
    return {
        **{"input": words, "target": targets, "output": output, "loss": loss.reshape(1), "grad_norm": norm.reshape(1)},
        **{f"param.{name}": value for name, value in case.parameters.items()},
        **{f"grad.{name}": value for name, value in gradients.items()},
        **{f"mask.drop.{name}": value for name, value in case.masks.items()},
        **{f"state_in.{i}": value for i, value in enumerate(state_in)},
        **{f"state_out.{i}": value for i, value in enumerate(state_out)},
    }


def entries(draw):
    """One entry of each kind of case; sizes, depths and shares are drawn."""
    size = lambda: draw.choice([4, 8, 14, 31, 65])
    share = lambda: draw.choice([0, 0.1, 0.35, 0.6])
    for model in ("stacked-lstm", "elman-rnn", "gru"):
        for dropout in (0, draw.choice([0.2, 0.5])):
            tied, hidden = draw.random() < 0.5, size()
            yield model, dict(model=model, embedding=hidden if tied else size(), hidden=hidden, layers=draw.choice([1, 2, 3, 6, 12]), tied=tied, dropout=dropout)
    for coupled in (True, False):
        for train in (False, True):
            tied, hidden = draw.random() < 0.5, size()
            shares = dict(input=share(), output=0.3, recurrent=share(), embedding=share()) if train else 0
            entry = dict(model="rhn", hidden=hidden, depth=draw.choice([1, 2, 7, 12]), tied=tied, coupled=coupled, dropout=shares)
            yield "rhn", entry if tied else {**entry, "embedding": size()}
    for train in (False, False, True):
        chunk, tied = draw.choice([1, 2, 5]), draw.random() < 0.5
        shares = dict(input=share(), hidden=share(), output=0.4, embedding=share()) if train else 0
        entry = dict(model="on-lstm", embedding=chunk * draw.randint(2, 7), hidden=chunk * draw.randint(3, 9), chunk=chunk, layers=draw.choice([1, 2, 4]))
        penalties = dict(activationReg=2.0, temporalActivationReg=1.0) if draw.random() < 0.5 else {}
        yield "on-lstm", {**entry, **penalties, "tied": tied, "weightDrop": share(), "dropout": shares}
    for model in ("awd-lstm", "awd-lstm-mos"):
        for train in (False, True):
            mixture, tied = model == "awd-lstm-mos", draw.random() < 0.5
            embedding = size()
            shares = dict(input=share(), hidden=share(), output=0.4, embedding=share(), weight=share(), latent=share() if mixture else None) if train else 0
            yield model, dict(
                **dict(model=model, hidden=size(), hiddenLast=embedding if tied and not mixture else size(), embedding=embedding),
                **dict(layers=draw.choice([1, 2, 4]), experts=draw.choice([1, 2, 5, 15]) if mixture else None, tied=tied, dropout=shares),
                **dict(activationReg=draw.choice([0, 2.0]) if train else 0, temporalActivationReg=draw.choice([0, 1.0]) if train else 0),
                output="log(sum_k prior_k softmax_k + 1e-8)" if mixture else "logits",
            )


def write(file, tensors):
    """The safetensors format: length of the header, header, numbers."""
    header, chunks, at = {}, [], 0
    for name, tensor in sorted(tensors.items()):
        integer = not tensor.is_floating_point()
        data = tensor.detach().to(torch.int32 if integer else torch.float32).contiguous().numpy().tobytes()
        header[name] = {"dtype": "I32" if integer else "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--count", type=int, default=1, help="cases of each kind")
args = parser.parse_args()
draw = random.Random(args.seed)
torch.manual_seed(args.seed)
torch.set_default_dtype(torch.float64)
args.folder.mkdir(parents=True, exist_ok=True)
manifest = {}
for round_ in range(args.count):
    for number, (name, entry) in enumerate(entries(draw)):
        name = f"{name.replace('-', '_')}_{round_}_{number}"
        write(args.folder / f"{name}.safetensors", generate(entry, draw))
        manifest[name] = entry
(args.folder / "manifest.json").write_text(json.dumps(manifest, indent=1))
