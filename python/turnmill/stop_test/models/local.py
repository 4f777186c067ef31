"""A model in a directory, run by transformers in this process; needs torch."""

from __future__ import annotations

from typing import Any

from turnmill.errors import TurnmillError
from turnmill.stop_test.generation import Generate, Generation


def local_model(directory: str) -> Generate:
    """Loads the model onto a GPU if there is one.

    Raises:
        TurnmillError: torch or transformers is not installed, or the model cannot be loaded.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise TurnmillError(
            f"a model in a directory is run by transformers: {error}",
            code="torch-missing",
            hint="pip install torch transformers, or give the URL of a server that runs the model",
        ) from None
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype="auto")
    except (OSError, ValueError) as error:
        message = f"transformers cannot load the model: {str(error).splitlines()[0]}"
        raise TurnmillError(message, code="no-model", path=directory) from None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return transformers_generator(model.to(device))


def transformers_generator(model: Any) -> Generate:
    """A generator of a model that is loaded, such as that of a trainer.

    It is greedy, and stops where the model's own generation configuration says.

    Args:
        model: What `AutoModelForCausalLM.from_pretrained` gives, or a trained `trainer.model`.
    """
    import torch

    def generate(prompts: list[list[int]], rooms: list[int]) -> list[Generation]:
        longest = max(map(len, prompts))
        padded = [[0] * (longest - len(prompt)) + prompt for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        ends = _end_ids(model)
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(padded, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                max_new_tokens=max(rooms),
                do_sample=False,
                pad_token_id=ends[0] if ends else 0,
            )
        model.train(was_training)
        answers = output[:, longest:].tolist()
        return [_cut(ids[:room], ends) for ids, room in zip(answers, rooms, strict=True)]

    return generate


def _end_ids(model: Any) -> list[int]:
    ends = model.generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def _cut(ids: list[int], ends: list[int]) -> Generation:
    """An answer without the padding after its end."""
    end = next((place for place, id_ in enumerate(ids) if id_ in ends), None)
    return Generation(ids, ended=False) if end is None else Generation(ids[: end + 1], ended=True)
