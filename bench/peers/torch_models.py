"""The models of Sparrow in PyTorch, as a user would write them: dense weights, cells of torch.nn where there are such, loops over time
where there are none. Each takes words [steps, batch] and a state and gives the loss that is trained and the next state.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


def locked(x, p, training):
    """One mask [1, batch, units] for all steps."""
    if not training or p == 0:
        return x
    keep = torch.empty(1, x.size(1), x.size(2), device=x.device).bernoulli_(1 - p)
    return x * (keep / (1 - p))


def dropped_words(embedding, words, p, training):
    """Words are dropped as a whole."""
    weight = embedding.weight
    if training and p > 0:
        weight = weight * (torch.empty(weight.size(0), 1, device=weight.device).bernoulli_(1 - p) / (1 - p))
    return F.embedding(words, weight)


class Stack(nn.Module):
    """LSTM, GRU or Elman layers, every mask drawn anew at every step."""

    def __init__(self, args, cell):
        super().__init__()
        self.drop = nn.Dropout(args.dropout)
        self.embedding = nn.Embedding(args.vocab, args.hidden)
        self.layers = cell(args.hidden, args.hidden, args.layers, dropout=args.dropout if args.layers > 1 else 0)
        self.decoder = nn.Linear(args.hidden, args.vocab)

    def forward(self, words, targets, state):
        y, state = self.layers(self.drop(self.embedding(words)), state)
        return F.cross_entropy(self.decoder(self.drop(y).flatten(0, 1)), targets), state


class Rhn(nn.Module):
    """A recurrent highway network with coupled gates and a tied decoder."""

    def __init__(self, args):
        super().__init__()
        self.p, self.hidden = args.dropout, args.hidden
        self.embedding = nn.Embedding(args.vocab, args.hidden)
        self.input = nn.Linear(args.hidden, 2 * args.hidden)
        self.recurrent = nn.ModuleList(nn.Linear(args.hidden, 2 * args.hidden) for _ in range(args.depth))
        self.bias = nn.Parameter(torch.zeros(args.vocab))

    def forward(self, words, targets, state):
        x = locked(dropped_words(self.embedding, words, self.p, self.training), self.p, self.training)
        from_input = self.input(x)
        s = x.new_zeros(words.size(1), self.hidden) if state is None else state
        mask = torch.empty_like(s).bernoulli_(1 - self.p) / (1 - self.p) if self.p > 0 else 1
        outputs = []
        for step in from_input:
            for depth, matrix in enumerate(self.recurrent):
                a = matrix(s * mask)
                if depth == 0:
                    a = a + step
                candidate, transform = a.chunk(2, 1)
                transform = torch.sigmoid(transform)
                s = torch.tanh(candidate) * transform + s * (1 - transform)
            outputs.append(s)
        y = locked(torch.stack(outputs), self.p, self.training).flatten(0, 1)
        return F.cross_entropy(F.linear(y, self.embedding.weight, self.bias), targets), s


class WeightDrop(nn.Module):
    """An LSTM layer whose hidden-to-hidden weights are dropped anew in every forward pass."""

    def __init__(self, inputs, hidden, p):
        super().__init__()
        self.p = p
        self.lstm = nn.LSTM(inputs, hidden)

    def forward(self, x, state):
        parameters = dict(self.lstm.named_parameters())
        parameters["weight_hh_l0"] = F.dropout(parameters["weight_hh_l0"], self.p, self.training)
        return torch.func.functional_call(self.lstm, parameters, (x, state))


class OnLstmLayer(nn.Module):
    def __init__(self, inputs, hidden, chunk, p):
        super().__init__()
        self.hidden, self.chunk, self.p = hidden, chunk, p
        self.masters = hidden // chunk
        rows = 4 * hidden + 2 * self.masters
        self.ih, self.hh = nn.Linear(inputs, rows), nn.Linear(hidden, rows)

    def forward(self, x, state):
        weight = self.hh.weight
        if self.training:
            weight = weight * torch.empty_like(weight).bernoulli_(1 - self.p)
        from_input = self.ih(x)
        h, c = state if state is not None else (x.new_zeros(x.size(1), self.hidden),) * 2
        outputs = []
        for step in from_input:
            z = step + F.linear(h, weight, self.hh.bias)
            masters, gates = z[:, : 2 * self.masters], z[:, 2 * self.masters :]
            master_in, master_forget = (torch.cumsum(F.softmax(a, 1), 1) for a in masters.chunk(2, 1))
            master_in = (1 - master_in).repeat_interleave(self.chunk, 1)
            master_forget = master_forget.repeat_interleave(self.chunk, 1)
            out, cell, take, keep = gates.chunk(4, 1)
            overlap = master_in * master_forget
            keep = torch.sigmoid(keep) * overlap + (master_forget - overlap)
            take = torch.sigmoid(take) * overlap + (master_in - overlap)
            c = keep * c + take * torch.tanh(cell)
            h = torch.sigmoid(out) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class Regularised(nn.Module):
    """The bodies of AWD-LSTM and ON-LSTM, with a tied decoder or a mixture of softmaxes, and both activation penalties."""

    def __init__(self, args, layer, experts=0):
        super().__init__()
        self.p, self.experts = args.dropout, experts
        size = args.hidden
        self.embedding = nn.Embedding(args.vocab, size)
        self.layers = nn.ModuleList(layer(size, size) for _ in range(args.layers))
        self.bias = nn.Parameter(torch.zeros(args.vocab))
        if experts > 0:
            self.prior = nn.Linear(size, experts, bias=False)
            self.latent = nn.Linear(size, experts * size)

    def forward(self, words, targets, state):
        x = locked(dropped_words(self.embedding, words, self.p, self.training), self.p, self.training)
        state = state if state is not None else [None] * len(self.layers)
        after = []
        for index, layer in enumerate(self.layers):
            raw, last = layer(x, state[index])
            after.append(last)
            x = locked(raw, self.p, self.training)
        loss = self.cross_entropy(x, targets)
        loss = loss + 2 * x.pow(2).mean() + (raw[1:] - raw[:-1]).pow(2).mean()
        return loss, after

    def cross_entropy(self, y, targets):
        weight = self.embedding.weight
        if self.experts == 0:
            return F.cross_entropy(F.linear(y.flatten(0, 1), weight, self.bias), targets)
        latent = locked(torch.tanh(self.latent(y)), self.p, self.training).reshape(-1, weight.size(1))
        prior = F.softmax(self.prior(y).flatten(0, 1), 1)
        probabilities = F.softmax(F.linear(latent, weight, self.bias), 1).view(prior.size(0), self.experts, -1)
        mixed = (prior.unsqueeze(2) * probabilities).sum(1)
        return F.nll_loss(torch.log(mixed + 1e-8), targets)


def model_of(args):
    models = {
        "stacked-lstm": lambda: Stack(args, nn.LSTM),
        "gru": lambda: Stack(args, nn.GRU),
        "elman-rnn": lambda: Stack(args, nn.RNN),
        "rhn": lambda: Rhn(args),
        "on-lstm": lambda: Regularised(args, lambda i, h: OnLstmLayer(i, h, args.chunk, args.dropout)),
        "awd-lstm": lambda: Regularised(args, lambda i, h: WeightDrop(i, h, args.dropout)),
        "awd-lstm-mos": lambda: Regularised(args, lambda i, h: WeightDrop(i, h, args.dropout), args.experts),
    }
    return models[args.model]()
