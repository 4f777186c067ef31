"""A small model in torch has the same loss for samples and for packed rows; needs torch."""

from __future__ import annotations

import pytest

import turnmill
from small_rows import TOKENIZER, json_lines

torch = pytest.importorskip("torch", reason="the extra `trainers` is not installed")
from torch import nn  # noqa: E402

VOCABULARY, WIDTH, LONGEST = 4096, 16, 128


class Model(nn.Module):
    """Embeddings of tokens and positions, two layers of attention, a head."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, WIDTH)
        self.places = nn.Embedding(LONGEST, WIDTH)
        layers = [nn.TransformerEncoderLayer(WIDTH, 2, 32, 0.0) for _ in range(2)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def loss(self, ids, labels, positions, seen):
        """The sum over the trained tokens of a row; label ``i + 1`` is predicted at ``i``."""
        state = (self.tokens(ids) + self.places(positions)).unsqueeze(1)
        for layer in self.layers:
            state = layer(state, src_mask=~seen)
        logits = self.head(state[:-1, 0])
        return nn.functional.cross_entropy(logits, labels[1:], ignore_index=-100, reduction="sum")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    path = tmp_path_factory.mktemp("loss") / "in.jsonl"
    path.write_bytes(json_lines(40))
    turnmill.prepare(path, path.parent / "out", tokenizer=TOKENIZER)
    turnmill.pack(path.parent / "out", 100)
    return path.parent / "out"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Model().double()


def causal(count):
    return torch.ones(count, count).tril().bool()


def of_samples(model, out):
    """The loss of all samples, each by itself."""
    total = torch.zeros((), dtype=torch.float64)
    for item in turnmill.SampleDataset(out):
        ids, labels = (torch.tensor(item[name]).long() for name in ("input_ids", "labels"))
        total = total + model.loss(ids, labels, torch.arange(len(ids)), causal(len(ids)))
    return total


def of_packs(model, out, *, bounded):
    """The loss of all packed rows, three in a batch, with attention that stops at the bounds."""
    total = torch.zeros((), dtype=torch.float64)
    rows = list(turnmill.PackedDataset(out / "pack-100-0"))
    collator = turnmill.PaddingFreeCollator(pad_id=0, tensors="torch")
    for first in range(0, len(rows), 3):
        batch = collator(rows[first : first + 3])
        ends = batch["cu_seqlens"].long()
        document = torch.repeat_interleave(torch.arange(len(ends) - 1), ends.diff())
        seen = causal(len(document))
        if bounded:
            seen &= document[:, None] == document
        columns = (batch[name][0].long() for name in ("input_ids", "labels", "position_ids"))
        total = total + model.loss(*columns, seen)
    return total


def test_losses_and_gradients_are_the_same(model, out):
    found = []
    for loss in (of_samples(model, out), of_packs(model, out, bounded=True)):
        model.zero_grad()
        loss.backward()
        found.append([loss.detach(), *(weight.grad.clone() for weight in model.parameters())])
    assert all(torch.allclose(one, other) for one, other in zip(*found, strict=True))


def test_attention_without_bounds_is_another_loss(model, out):
    """The comparison sees what it is there to see."""
    losses = of_samples(model, out), of_packs(model, out, bounded=False)
    assert not torch.allclose(*losses)
