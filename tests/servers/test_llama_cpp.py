"""The generation test against a llama.cpp server; needs `pip install '.[servers]'`, and no GPU.

The model is written here: it knows what follows each token, and half of the prompts lead to a stop
token while the other half lead into a circle. So its rates are known.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import turnmill
from turnmill import Tokenizer, stop_test

gguf = pytest.importorskip("gguf", reason="the extra `servers` is not installed")
xllamacpp = pytest.importorskip("xllamacpp", reason="the extra `servers` is not installed")

DIRECTORY = Path(turnmill.__file__).parent / "demo" / "tokenizer"
STOP, IGNORED, WIDTH = 2, -100, 256
STOPPING, CIRCLING = range(400, 420), range(440, 460)
FOLLOWS = {
    **dict.fromkeys(STOPPING, 500),
    500: 501,
    501: STOP,
    **dict.fromkeys(CIRCLING, 600),
    600: 601,
    601: 600,
}
ROWS = [
    {"input_ids": [1, start, 500, 501, STOP], "labels": [IGNORED, IGNORED, 500, 501, STOP]}
    for start in (*STOPPING, *CIRCLING)
]


def write_model(path: Path) -> None:
    """A llama of one layer that adds nothing: the embedding of a token decides the next one."""
    tokenizer = json.loads((DIRECTORY / "tokenizer.json").read_text("utf-8"))
    ids = {**tokenizer["model"]["vocab"]}
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted({**ids, **special}, key={**ids, **special}.__getitem__)
    kinds = [
        gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens
    ]
    embedding = np.random.default_rng(0).standard_normal((len(tokens), WIDTH)).astype(np.float32)
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    output = np.zeros_like(embedding)
    for token, following in FOLLOWS.items():
        output[following] += embedding[token]

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_eos_token_id(STOP)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    for name in ("ffn_gate", "ffn_up"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((32, WIDTH), np.float32))
    writer.add_tensor("blk.0.ffn_down.weight", np.zeros((WIDTH, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    model = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_model(model)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.n_ctx, parameters.n_parallel = 2048, 4
    parameters.cpuparams.n_threads = 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        parameters.port = free.getsockname()[1]
    server = xllamacpp.Server(parameters)
    yield server.listening_address
    del server


@pytest.mark.parametrize("path", ["", "/v1"])
def test_rates_are_those_of_the_model(url: str, path: str) -> None:
    result = stop_test(ROWS, url + path, tokenizer=Tokenizer(DIRECTORY), stop=[STOP])
    assert result.prompts == 40
    assert result.rates["stop"].count == 20
    assert result.rates["repetition"].count == 20
    assert result.rates["ran_past"].count == result.rates["foreign_stop"].count == 0


def test_a_stop_token_that_the_server_does_not_know_is_run_past(url: str) -> None:
    rows = [{name: ids[:-1] for name, ids in row.items()} for row in ROWS]
    result = stop_test(rows, url, tokenizer=Tokenizer(DIRECTORY), stop=[501])
    assert result.rates["stop"].count == 20
    assert result.rates["ran_past"].count == 20


def test_an_end_outside_of_the_stop_set_is_foreign(url: str) -> None:
    result = stop_test(ROWS, url, tokenizer=Tokenizer(DIRECTORY), stop=[0])
    assert result.rates["stop"].count == 0
    assert result.rates["foreign_stop"].count == 20
