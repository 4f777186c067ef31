"""``history = expand`` against transformers: every trained turn stands as inference sees it.

The oracle renders the conversation up to each turn with the generation prompt, as a server does,
and finds by trying all of them the fewest samples in which every turn has that text before it.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import pyarrow.parquet as pq
import pytest
from transformers.utils.chat_template_utils import render_jinja_template

import fixtures
import tiny_tokenizer
import turnmill
from conversations import SEARCH, TOOLS, assistant, tool, user
from oracle import NOW, frozen_clock
from turnmill._terminal import silent
from turnmill.prepare.history_cost import in_words

Messages = list[dict[str, Any]]


class Model(NamedTuple):
    """A template with what its server stops on."""

    template: str
    stop: list[str]
    eos: str
    more: tuple[str, ...] = ()


MODELS = {
    "small-qwen3": Model("untagged/qwen3", ["<|im_end|>"], "<|im_end|>"),
    "small-llama-3": Model("untagged/llama-3.1", ["<|eot_id|>"], "<|eot_id|>"),
    "small-phi-3": Model("untagged/phi-3", ["<|end|>", "<|endoftext|>"], "<|endoftext|>"),
    "small-gpt-oss": Model(
        "unseen/harmony", ["<|return|>", "<|call|>"], "<|return|>", ("<|end|>", "<|start|>")
    ),
    "small-olmo": Model("unseen/olmo", ["<|endoftext|>"], "<|endoftext|>"),
    "qwen3": Model("llamacpp.Qwen-Qwen3-0.6B", ["<|im_end|>"], "<|im_end|>"),
    "qwq": Model("llamacpp.Qwen-QwQ-32B", ["<|im_end|>"], "<|im_end|>"),
    "glm": Model(
        "llamacpp.GLM-4.6",
        ["<|user|>", "<|observation|>"],
        "<|endoftext|>",
        ("<|endoftext|>", "<|assistant|>", "<|system|>"),
    ),
    "kimi": Model("llamacpp.Kimi-K2-Instruct", ["<|im_end|>"], "<|im_end|>"),
    "deepseek-v3.1": Model(
        "llamacpp.deepseek-ai-DeepSeek-V3.1", ["<｜end▁of▁sentence｜>"], "<｜end▁of▁sentence｜>"
    ),
    "gpt-oss": Model(
        "trl.gptoss_training", ["<|return|>", "<|call|>"], "<|return|>", ("<|end|>", "<|start|>")
    ),
    "minimax": Model("llamacpp.MiniMax-M2", ["[e~["], "[e~["),
    "smollm3": Model("llamacpp.HuggingFaceTB-SmolLM3-3B", ["<|im_end|>"], "<|im_end|>"),
    "llama-3": Model("llamacpp.meta-llama-Llama-3.2-3B-Instruct", ["<|eot_id|>"], "<|eot_id|>"),
    "phi-3": Model(
        "llamacpp.microsoft-Phi-3.5-mini-instruct",
        ["<|end|>", "<|endoftext|>"],
        "<|endoftext|>",
    ),
    "mistral": Model("llamacpp.mistralai-Mistral-Nemo-Instruct-2407", ["</s>"], "</s>"),
}

CONVERSATIONS: dict[str, Messages] = {
    "plain": [user("1"), assistant("one"), user("2"), assistant("two"), user("3"), assistant("x")],
    "reasoning": [
        user("1"),
        assistant("one", reasoning_content="First."),
        user("2"),
        assistant("two", reasoning_content="Second."),
        user("3"),
        assistant("three", reasoning_content="Third."),
    ],
    "chain": [
        user("find"),
        assistant("", reasoning_content="Look.", tool_calls=[SEARCH]),
        tool("nothing"),
        assistant("", reasoning_content="Again.", tool_calls=[SEARCH]),
        tool("found"),
        assistant("Here.", reasoning_content="Good."),
    ],
    "chain without reasoning": [
        user("find"),
        assistant("", tool_calls=[SEARCH]),
        tool("nothing"),
        assistant("Nothing."),
        user("again"),
        assistant("", tool_calls=[SEARCH]),
        tool("found"),
        assistant("Here."),
    ],
    "chains": [
        user("find"),
        assistant("", reasoning_content="Look.", tool_calls=[SEARCH]),
        tool("nothing"),
        assistant("Nothing.", reasoning_content="Sad."),
        user("again"),
        assistant("", reasoning_content="Look again.", tool_calls=[SEARCH]),
        tool("found"),
        assistant("Here.", reasoning_content="Good."),
    ],
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The directory of a tokenizer of bytes, the template, and the encoder with ``expand``."""
    model = MODELS[request.param]
    source = fixtures.template_text(model.template)
    directory = tiny_tokenizer.write(
        tmp_path_factory.mktemp("model"),
        [*model.stop, *model.more, "<bos>"],
        ["<think>", "</think>"],
        template=source,
        eos_token=model.eos,
        bos_token="<bos>",
    )
    recipe = turnmill.Recipe(
        tokenizer=directory, stop=model.stop, history="expand", spans="inferred", now=NOW
    )
    return directory, source, model, turnmill.Encoder(recipe)


def render(model: Any, messages: Messages, tools: Any, *, prompt: bool = False) -> str | None:
    _, source, names, _ = model
    try:
        with frozen_clock():
            texts, _ = render_jinja_template(
                [messages],
                chat_template=source,
                tools=tools,
                add_generation_prompt=prompt,
                bos_token="<bos>",
                eos_token=names.eos,
            )
    except Exception:  # noqa: BLE001 - templates raise anything
        return None
    return str(texts[0])


def turns(messages: Messages) -> list[int]:
    return [at for at, message in enumerate(messages) if message["role"] == "assistant"]


def samples(model: Any, messages: Messages, tools: Any) -> list[tuple[str, list[int]]] | str:
    """Text of each sample, and the character at which each trained run begins."""
    directory, _, _, encoder = model
    encoded = encoder.encode([{"messages": messages, "tools": tools}])
    if encoded.rejects.num_rows:
        return str(encoded.rejects["code"][0])
    found = []
    for number, row in enumerate(encoded.table.to_pylist()):
        assert row["row"] == 0
        assert row["sample"] == number
        labels, ids = row["labels"], row["input_ids"]
        trained = [label != -100 for label in labels]
        starts = [at for at, on in enumerate(trained) if on and not (at and trained[at - 1])]
        text = tiny_tokenizer.text(directory, ids)
        found.append((text, [len(tiny_tokenizer.text(directory, ids[:at])) for at in starts]))
    return found


def begins(text: str, start: int, prompt: str) -> bool:
    """Whether a trained run at ``start`` is what the model writes after the prompt."""
    empty = ("", "<think>\n\n</think>\n\n", "<think></think>", "</think>", "\n<think></think>\n")
    between = text[len(prompt) : start]
    return start >= len(prompt) and text.startswith(prompt) and between in empty


@pytest.mark.parametrize("label", CONVERSATIONS)
def test_every_trained_turn_stands_behind_the_prompt_of_inference(model: Any, label: str) -> None:
    messages = CONVERSATIONS[label]
    tools = TOOLS if "chain" in label else None
    found = samples(model, messages, tools)
    if isinstance(found, str):
        text = render(model, messages, tools)
        loses = text is not None and "chain" in label and "küche" not in text
        assert found == ("template-error" if text is None else "turn-lost" if loses else None)
        return
    assert sum(len(starts) for _, starts in found) >= len(turns(messages))
    for turn in turns(messages):
        prompt = render(model, messages[:turn], tools, prompt=True)
        assert prompt is not None
        own = render(model, messages[: turn + 1], tools)
        assert own is not None
        if not own.startswith(prompt):
            continue
        hits = [any(begins(text, start, prompt) for start in starts) for text, starts in found]
        assert sum(hits) == 1, (turn, prompt)


def stands(model: Any, messages: Messages, tools: Any, turn: int, end: int) -> bool:
    """Whether a sample that ends at message ``end`` shows a turn as the last one is shown.

    An empty think block inside a chain of tool calls does not count; nor does what follows the
    stop token.
    """
    own = render(model, messages[: turn + 1], tools) or ""
    longer = render(model, messages[: end + 1], tools) or ""
    prompt = render(model, messages[:turn], tools, prompt=True) or ""
    ends = [(own.find(stop, len(prompt)), len(stop)) for stop in model[2].stop]
    at, length = min((end for end in ends if end[0] >= 0), default=(len(own), 0))
    cut = at + length
    if longer.startswith(own[:cut]):
        return True
    chain = all(message["role"] != "user" for message in messages[turn : end + 1])
    block = "<think>\n\n</think>\n\n"
    return chain and longer.startswith(prompt + own[len(prompt) : cut].removeprefix(block))


@pytest.mark.parametrize("label", CONVERSATIONS)
def test_there_are_no_more_samples_than_that_takes(model: Any, label: str) -> None:
    messages = CONVERSATIONS[label]
    tools = TOOLS if "chain" in label else None
    found = samples(model, messages, tools)
    if isinstance(found, str):
        return
    every = turns(messages)
    covers = {
        end: {turn for turn in every if turn <= end and stands(model, messages, tools, turn, end)}
        for end in every
    }
    fewest = next(
        count
        for count in range(1, len(every) + 1)
        for chosen in itertools.combinations(every, count)
        if set().union(*(covers[end] for end in chosen)) == set(every)
    )
    assert len(found) == fewest, covers


def expanded(model: Any, rows: list[Any], **keys: Any) -> turnmill.Encoded:
    recipe = turnmill.Recipe(
        tokenizer=model[0], stop=model[2].stop, history="expand", now=NOW, **keys
    )
    return turnmill.Encoder(recipe).encode(rows)


only_qwen3 = pytest.mark.parametrize("model", fixtures.both("qwen3"), indirect=True)


@only_qwen3
def test_the_longest_samples_leave_where_length_is_limited(model: Any) -> None:
    messages = CONVERSATIONS["plain"]
    whole = expanded(model, [{"messages": messages}]).table["length"].to_pylist()
    assert whole == sorted(whole)
    cut = expanded(model, [{"messages": messages}], max_length=whole[1])
    assert cut.table["length"].to_pylist() == whole[:2]
    assert cut.table["sample"].to_pylist() == [0, 1]
    assert cut.counts["turns-left-out"] == 1
    short = {"max_length": whole[0] - 1}
    for policy in ("whole-turns", "reject"):
        none = expanded(model, [{"messages": messages}], over_length=policy, **short)
        assert none.rejects["code"].to_pylist() == ["overlong-sample"]
        assert none.table.num_rows == 0
    rejected = expanded(model, [{"messages": messages}], over_length="reject", max_length=whole[1])
    assert rejected.rejects["code"].to_pylist() == ["overlong-sample"]
    assert rejected.table.num_rows == 0


@only_qwen3
def test_oldest_exchanges_leave_every_sample_that_is_too_long(model: Any) -> None:
    messages = CONVERSATIONS["plain"]
    whole = expanded(model, [{"messages": messages}]).table
    limit = whole["length"][1].as_py()
    kept = expanded(model, [{"messages": messages}], max_length=limit, over_length="oldest-turns")
    assert kept.table.num_rows == 3
    assert max(kept.table["length"].to_pylist()) <= limit
    trained = [[label for label in row if label != -100] for row in whole["labels"].to_pylist()]
    assert trained == [
        [label for label in row if label != -100] for row in kept.table["labels"].to_pylist()
    ]


@only_qwen3
def test_a_chain_that_is_too_long_keeps_its_first_turns(model: Any) -> None:
    row = {"messages": CONVERSATIONS["chain"], "tools": TOOLS}
    (whole,) = expanded(model, [row]).table["length"].to_pylist()
    encoded = expanded(model, [row], max_length=whole - 1)
    (labels,) = encoded.table["labels"].to_pylist()
    text = tiny_tokenizer.text(model[0], [label for label in labels if label != -100])
    assert text.count("<|im_end|>") == 2
    assert encoded.counts["turns-left-out"] == 1


@only_qwen3
def test_each_turn_and_each_other_message_is_trained_once(model: Any) -> None:
    messages = [dict(message) for message in CONVERSATIONS["plain"]]
    encoded = expanded(model, [{"messages": messages}], train_on=["user", "assistant"])
    labels = [label for row in encoded.table["labels"].to_pylist() for label in row]
    text = tiny_tokenizer.text(model[0], [label for label in labels if label != -100])
    assert text == "1<|im_end|>one<|im_end|>2<|im_end|>two<|im_end|>3<|im_end|>x<|im_end|>"
    messages[3]["weight"] = 0
    skipped = expanded(model, [{"messages": messages}])
    assert skipped.table.num_rows == 2
    last = expanded(model, [{"messages": messages}], train_on="last-turn")
    assert last.table.num_rows == 1


@only_qwen3
def test_a_batch_of_equal_length_cannot_hold_several_samples(model: Any) -> None:
    recipe = turnmill.Recipe(tokenizer=model[0], stop=model[2].stop, history="expand")
    with pytest.raises(turnmill.RecipeError, match="several samples"):
        turnmill.Encoder(recipe)({"messages": [CONVERSATIONS["plain"]]})


def test_everything_cannot_be_trained_once_in_several_samples(tmp_path: Path) -> None:
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Recipe(tokenizer=tmp_path, history="expand", train_on="everything")
    assert raised.value.code == "history-and-train-on"


@only_qwen3
def test_a_run_says_what_the_other_choices_would_cost(model: Any, tmp_path: Path) -> None:
    data = tmp_path / "chat.jsonl"
    data.write_text(json.dumps({"messages": CONVERSATIONS["plain"]}) + "\n", "utf-8")
    found = {}
    for history in ("auto", "as-rendered", "last-turn", "expand"):
        recipe = turnmill.Recipe(tokenizer=model[0], stop=model[2].stop, history=history, now=NOW)
        run = turnmill.prepare(data, tmp_path / history, recipe)
        tally = run.totals.tally
        found[history] = (tally.samples, tally.tokens, tally.trained)
        assert (run.history is None) == (history != "auto")
    assert found["auto"] == found["as-rendered"]
    record = json.loads((tmp_path / "auto" / "turnmill.json").read_text())
    prices = record["inputs"][0]["history"]
    assert "; on the first row --history" in " ".join(in_words(prices, silent()).split())
    assert "in 1 of the first 2 rows" in in_words(prices | {"rows": 2}, silent())
    assert (prices["rows"], prices["rewritten"]) == (1, 1)
    for name, price in prices["choices"].items():
        assert (price["samples"], price["tokens"], price["trained"]) == found[name]
    assert [price["turns"] for price in prices["choices"].values()] == [3, 1, 3]


@only_qwen3
def test_the_price_list_stands_where_reasoning_would_be_lost(model: Any) -> None:
    recipe = turnmill.Recipe(tokenizer=model[0], stop=model[2].stop, now=NOW)
    with pytest.raises(turnmill.RecipeError) as raised:
        turnmill.Encoder(recipe).encode([{"messages": CONVERSATIONS["reasoning"]}])
    assert raised.value.code == "reasoning-dropped"
    for choice, samples_ in (("as-rendered", 1), ("last-turn", 1), ("expand", 3)):
        made = turnmill.Recipe(tokenizer=model[0], stop=model[2].stop, now=NOW, history=choice)
        table = turnmill.Encoder(made).encode([{"messages": CONVERSATIONS["reasoning"]}]).table
        trained = sum(label != -100 for row in table["labels"].to_pylist() for label in row)
        tokens = sum(table["length"].to_pylist())
        turns_ = 1 if choice == "last-turn" else 3
        assert (
            f"--history {choice} trains {turns_} turns and {trained} tokens, in {samples_} samples "
            f"of {tokens} tokens" in (raised.value.hint or "")
        )


@only_qwen3
def test_a_run_accounts_for_rows_and_samples(model: Any, tmp_path: Path) -> None:
    data = tmp_path / "chat.jsonl"
    rows = [{"messages": CONVERSATIONS[label]} for label in ("plain", "chain", "reasoning")]
    rows.insert(1, {"messages": [user("?")]})
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    recipe = turnmill.Recipe(tokenizer=model[0], stop=model[2].stop, history="expand", now=NOW)
    run = turnmill.prepare(data, tmp_path / "out", recipe)
    assert run.rows == 4
    assert sum(run.rejected.values()) == 1
    assert run.samples == 7
    index = pq.read_table(next((tmp_path / "out").glob("index-*.parquet")))
    assert index["row"].to_pylist() == [0, 0, 0, 2, 3, 3, 3]
    assert index["sample"].to_pylist() == [0, 1, 2, 0, 0, 1, 2]
    assert index["turns"].to_pylist() == [1, 1, 1, 3, 1, 1, 1]
    data_set = datasets.load_from_disk(str(tmp_path / "out"))
    assert data_set.num_rows == 7
    written = [sum(label != -100 for label in labels) for labels in data_set["labels"]]
    assert index["trained"].to_pylist() == written
