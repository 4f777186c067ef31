"""``serving/``: what a server needs so that a model trained on this data ends its answers."""

from __future__ import annotations

import json
from typing import Any

from turnmill.storage.local import json_text, write_text
from turnmill.storage.remote import AnyPath

DIRECTORY = "serving"


def write_serving(output: AnyPath, facts: dict[str, Any]) -> set[str]:
    """Writes the stop set, the template, and the lines for vLLM, llama.cpp and Ollama.

    Args:
        output: The output directory.
        facts: From the encoder: ``stop``, ``bos``, ``pad``, ``sampling`` and ``template``.

    Returns:
        The names of the files, relative to the output.
    """
    files = serving_files(facts)
    for name, text in files.items():
        path = output / name
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
    return set(files)


def serving_files(facts: dict[str, Any]) -> dict[str, str]:
    """The text of each file, by its name relative to the output."""
    template = facts.get("template") or {}
    files = {"generation_config.json": json_text(generation_config(facts))}
    if template:
        files["chat_template.jinja"] = template["source"]
    if template.get("tools") is not None:
        files["additional_chat_templates/tool_use.jinja"] = template["tools"]
    files |= {"Modelfile": modelfile(facts), "README.md": _readme(facts, template)}
    return {f"{DIRECTORY}/{name}": text for name, text in files.items()}


def generation_config(facts: dict[str, Any]) -> dict[str, Any]:
    """The model's own, such as its temperature, with our stop set, and BOS and pad if known."""
    ids = [stop["id"] for stop in facts["stop"]]
    config = dict(facts.get("sampling") or {})
    config["eos_token_id"] = ids[0] if len(ids) == 1 else ids
    for key in ("bos", "pad"):
        if facts.get(key) is not None:
            config[f"{key}_token_id"] = facts[key]["id"]
    return config


def modelfile(facts: dict[str, Any]) -> str:
    """An Ollama Modelfile with the stop set."""
    stops = [f"PARAMETER stop {json.dumps(t, ensure_ascii=False)}" for t in _tokens(facts)]
    return "\n".join(
        [
            "# Put the model's path here. Ollama's TEMPLATE is a Go template: it cannot be made",
            "# from chat_template.jinja, so compare what `ollama show --template` prints with it.",
            "FROM ./model.gguf",
            *stops,
            "",
        ]
    )


def _tokens(facts: dict[str, Any]) -> list[str]:
    return [stop["token"] for stop in facts["stop"]]


def _readme(facts: dict[str, Any], template: dict[str, Any]) -> str:
    files = ["chat_template.jinja"] if template else []
    files += ["additional_chat_templates"] if template.get("tools") is not None else []
    copied = "".join(f" and `{name}`" for name in files)
    # A server that is given a template uses it with and without tools.
    named = files == ["chat_template.jinja"]
    template_flag = " --chat-template serving/chat_template.jinja" if named else ""
    template_file = " --jinja --chat-template-file serving/chat_template.jinja" if template else ""
    stops = ", ".join(f"`{stop['token']}` ({stop['id']})" for stop in facts["stop"])
    first = (facts.get("terminator") or facts["stop"][0])["id"]
    return f"""# Serving a model trained on this data

Every trained answer ends in one of: {stops}. The server has to stop on the same tokens.

`generation_config.json` is the model's own with these stop tokens. Copy it{copied} into the model's
directory; transformers and vLLM read them there. Or name them:

vLLM

    vllm serve MODEL --generation-config serving{template_flag}

llama.cpp (the stop token can also be set when the GGUF file is made)

    llama-server -m model.gguf{template_file} --override-kv tokenizer.ggml.eos_token_id=int:{first}

and, in requests, the whole stop set

    "stop": {json.dumps(_tokens(facts), ensure_ascii=False)}

Ollama

    ollama create NAME -f serving/Modelfile
"""
