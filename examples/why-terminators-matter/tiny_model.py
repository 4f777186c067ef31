"""A causal transformer in numpy, with its gradients written out: about 60,000 weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

LAYERS, WIDTH, HEADS = 2, 48, 4
HEAD = WIDTH // HEADS


class TinyModel:
    """Attention and a layer of ReLU, twice, before each a root-mean-square norm.

    Args:
        vocabulary: The number of tokens.
        context: The most tokens that a row may have.
        seed: Another seed begins with other weights.
    """

    def __init__(self, vocabulary: int, context: int, seed: int) -> None:
        source = np.random.default_rng(seed)

        def weights(*shape: int, scale: float) -> Floats:
            return (scale * source.standard_normal(shape)).astype(np.float32)

        self.weights = {
            "tokens": weights(vocabulary, WIDTH, scale=0.2),
            "positions": weights(context, WIDTH, scale=0.2),
        }
        for layer in range(LAYERS):
            self.weights |= {
                f"{layer}.qkv": weights(WIDTH, 3 * WIDTH, scale=WIDTH**-0.5),
                f"{layer}.join": weights(WIDTH, WIDTH, scale=WIDTH**-0.5 / LAYERS),
                f"{layer}.up": weights(WIDTH, 4 * WIDTH, scale=WIDTH**-0.5),
                f"{layer}.down": weights(4 * WIDTH, WIDTH, scale=(4 * WIDTH) ** -0.5 / LAYERS),
            }
        self._moments = {
            name: (np.zeros_like(value), np.zeros_like(value))
            for name, value in self.weights.items()
        }
        self._steps = 0

    def logits(self, ids: Ints) -> Floats:
        """What it predicts after each token: float32[rows, tokens, vocabulary]."""
        return self._forward(ids)[0] @ self.weights["tokens"].T

    def step(self, ids: Ints, labels: Ints, rate: float) -> float:
        """One step of Adam on the labelled tokens; returns their mean loss in nats.

        Args:
            ids: int64[rows, tokens].
            labels: The same shape; -100 where nothing is learned.
            rate: The learning rate.
        """
        loss, gradients = self.gradients(ids, labels)
        self._steps += 1
        for name, gradient in gradients.items():
            mean, square = self._moments[name]
            mean += 0.1 * (gradient - mean)
            square += 0.01 * (gradient * gradient - square)
            change = mean / (1 - 0.9**self._steps)
            size = np.sqrt(square / (1 - 0.99**self._steps)) + 1e-8
            self.weights[name] -= (rate * change / size).astype(np.float32)
        return loss

    def gradients(self, ids: Ints, labels: Ints) -> tuple[float, dict[str, Floats]]:
        """The mean loss of the labelled tokens, and its gradient for all weights."""
        hidden, memory = self._forward(ids[:, :-1])
        targets = labels[:, 1:]
        known = targets != -100
        seen, wanted = hidden[known], targets[known]
        slope = _softmax(seen @ self.weights["tokens"].T)
        loss = -float(np.log(slope[np.arange(len(wanted)), wanted] + 1e-12).mean())
        slope[np.arange(len(wanted)), wanted] -= 1
        slope /= len(wanted)
        gradients = {"tokens": slope.T @ seen}
        back = np.zeros_like(hidden)
        back[known] = slope @ self.weights["tokens"]
        self._backward(ids[:, :-1], back, memory, gradients)
        return loss, gradients

    def _forward(self, ids: Ints) -> tuple[Floats, list[Any]]:
        """The last hidden states, and what the way back needs."""
        stream = self.weights["tokens"][ids] + self.weights["positions"][: ids.shape[1]]
        memory: list[Any] = []
        for layer in range(LAYERS):
            normal, root = _norm(stream)
            parts = _heads(normal @ self.weights[f"{layer}.qkv"])
            mixed, share = _attention(*parts)
            joined = _together(mixed)
            stream = stream + joined @ self.weights[f"{layer}.join"]
            memory.append((normal, root, parts, share, joined))
            normal, root = _norm(stream)
            active = np.maximum(normal @ self.weights[f"{layer}.up"], 0)
            stream = stream + active @ self.weights[f"{layer}.down"]
            memory.append((normal, root, active))
        normal, root = _norm(stream)
        memory.append((normal, root))
        return normal, memory

    def _backward(
        self, ids: Ints, back: Floats, memory: list[Any], gradients: dict[str, Floats]
    ) -> None:
        """Adds the gradients of everything below the last hidden states."""
        back = _norm_back(back, *memory.pop())
        for layer in reversed(range(LAYERS)):
            normal, root, active = memory.pop()
            gradients[f"{layer}.down"] = _outer(active, back)
            inner = (back @ self.weights[f"{layer}.down"].T) * (active > 0)
            gradients[f"{layer}.up"] = _outer(normal, inner)
            back = back + _norm_back(inner @ self.weights[f"{layer}.up"].T, normal, root)
            normal, root, parts, share, joined = memory.pop()
            gradients[f"{layer}.join"] = _outer(joined, back)
            inner = _attention_back(back @ self.weights[f"{layer}.join"].T, parts, share)
            gradients[f"{layer}.qkv"] = _outer(normal, inner)
            back = back + _norm_back(inner @ self.weights[f"{layer}.qkv"].T, normal, root)
        np.add.at(gradients["tokens"], ids, back)
        gradients["positions"] = np.zeros_like(self.weights["positions"])
        gradients["positions"][: ids.shape[1]] = back.sum(axis=0)

    def generate(self, prompts: Sequence[Sequence[int]], room: int, stop: int) -> list[list[int]]:
        """The likeliest tokens after each prompt, up to ``stop`` or as many as fit."""
        rows = [list(prompt) for prompt in prompts]
        open_rows = list(range(len(rows)))
        for _ in range(room):
            longest = max(len(rows[number]) for number in open_rows)
            ids = np.zeros((len(open_rows), longest), np.int64)
            for place, number in enumerate(open_rows):
                ids[place, : len(rows[number])] = rows[number]
            ends = [len(rows[number]) - 1 for number in open_rows]
            hidden = self._forward(ids)[0][np.arange(len(ends)), ends]
            for number, id_ in zip(
                open_rows, (hidden @ self.weights["tokens"].T).argmax(axis=1), strict=True
            ):
                rows[number].append(int(id_))
            open_rows = [number for number in open_rows if rows[number][-1] != stop]
            if not open_rows:
                break
        return [row[len(prompt) :] for row, prompt in zip(rows, prompts, strict=True)]


def _softmax(values: Floats) -> Floats:
    powers: Floats = np.exp(values - values.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _norm(values: Floats) -> tuple[Floats, Floats]:
    root = np.sqrt((values * values).mean(axis=-1, keepdims=True) + 1e-6)
    return values / root, root


def _norm_back(back: Floats, normal: Floats, root: Floats) -> Floats:
    slope: Floats = (back - normal * (back * normal).mean(axis=-1, keepdims=True)) / root
    return slope


def _outer(left: Floats, right: Floats) -> Floats:
    """The gradient of a matrix: its inputs times the gradients of its outputs."""
    return left.reshape(-1, left.shape[-1]).T @ right.reshape(-1, right.shape[-1])


def _heads(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Queries, keys and values: float32[rows, heads, tokens, width of a head]."""
    rows, tokens, _ = values.shape
    split = values.reshape(rows, tokens, 3, HEADS, HEAD).transpose(2, 0, 3, 1, 4)
    return split[0], split[1], split[2]


def _together(mixed: Floats) -> Floats:
    rows, _, tokens, _ = mixed.shape
    return mixed.transpose(0, 2, 1, 3).reshape(rows, tokens, WIDTH)


def _attention(queries: Floats, keys: Floats, values: Floats) -> tuple[Floats, Floats]:
    scores = queries @ keys.swapaxes(-1, -2) * np.float32(HEAD**-0.5)
    tokens = scores.shape[-1]
    later = np.triu(np.full((tokens, tokens), -1e9, np.float32), 1)
    share = _softmax(scores + later)
    return share @ values, share


def _attention_back(back: Floats, parts: tuple[Floats, Floats, Floats], share: Floats) -> Floats:
    """The gradient of queries, keys and values, side by side as `_heads` took them."""
    queries, keys, values = parts
    rows, tokens, _ = back.shape
    mixed = back.reshape(rows, tokens, HEADS, HEAD).transpose(0, 2, 1, 3)
    of_share = mixed @ values.swapaxes(-1, -2)
    scores = share * (of_share - (of_share * share).sum(axis=-1, keepdims=True))
    scores *= np.float32(HEAD**-0.5)
    each = np.stack(
        [scores @ keys, scores.swapaxes(-1, -2) @ queries, share.swapaxes(-1, -2) @ mixed]
    )
    return each.transpose(1, 3, 0, 2, 4).reshape(rows, tokens, 3 * WIDTH)
