"""Our own encoder beside the tokenizers wheel."""

from __future__ import annotations

from pathlib import Path

import tokenizers

import turnmill


def differences(path: Path, texts: list[str]) -> list[tuple[str, list[int], list[int]]]:
    """Texts whose ids differ, with ours and the wheel's."""
    reference = tokenizers.Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    tokenizer = turnmill.Tokenizer(path)
    assert tokenizer.backend != "reference", tokenizer.backend_reason
    ids, offsets = tokenizer.encode_batch(texts)
    flat, ends = ids.tolist(), offsets.tolist()
    found = []
    for row, encoding in enumerate(reference.encode_batch_fast(texts, add_special_tokens=False)):
        ours = flat[ends[row] : ends[row + 1]]
        if ours != encoding.ids:
            found.append((texts[row], ours, encoding.ids))
    return found


def offset_differences(
    path: Path, texts: list[str]
) -> list[tuple[str, list[object], list[object]]]:
    """Texts whose offsets differ, with ours and the wheel's."""
    reference = tokenizers.Tokenizer.from_file(str(path))
    reference.no_truncation()
    reference.no_padding()
    _, ends, places = turnmill.Tokenizer(path).encode_batch(texts, offsets=True)
    found: list[tuple[str, list[object], list[object]]] = []
    for row, encoding in enumerate(reference.encode_batch(texts, add_special_tokens=False)):
        ours = list(map(tuple, places[ends[row] : ends[row + 1]].tolist()))
        if ours != encoding.offsets:
            found.append((texts[row], list(ours), list(encoding.offsets)))
    return found
