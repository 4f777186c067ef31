"""For transformers: chat templates in batches, and a callback for its trainers.

ids = apply_chat_template(tokenizer, conversations)

The callback is for trainers of TRL, Axolotl and LLaMA-Factory too, which use those of transformers:

from turnmill.integrations.transformers import FirstBatchCheck
trainer = Trainer(..., callbacks=[FirstBatchCheck(tokenizer)])
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Literal

from turnmill.check import check_batch
from turnmill.check.findings import Findings
from turnmill.errors import DataError
from turnmill.integrations.chat_template import apply_chat_template

__all__ = ["FirstBatchCheck", "apply_chat_template"]

_EVENTS = (
    *("on_init_end", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_step_begin"),
    *("on_step_end", "on_substep_end", "on_pre_optimizer_step", "on_optimizer_step"),
    *("on_evaluate", "on_predict", "on_save", "on_log", "on_prediction_step", "on_push_begin"),
)


class FirstBatchCheck:
    """A `TrainerCallback` that checks the first collated batch before the first step.

    What the trainer sees may differ from the data set: collators mask the terminator if it is the
    pad token, and trainers cut rows at their own limit. The check needs no import of transformers:
    a callback is any object with the callback's methods.

    Args:
        tokenizer: A tokenizer directory, a `turnmill.Tokenizer`, or the trainer's own tokenizer.
        stop: As in `turnmill.check`.
        max_length: The length at which the trainer cuts.
        on_error: ``raise`` ends the training before it starts; ``warn`` prints and continues.

    Raises:
        DataError: At the start of the training, if a rule of severity error fired.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        stop: Iterable[str | int] | None = None,
        max_length: int | None = None,
        on_error: Literal["raise", "warn"] = "raise",
    ) -> None:
        if on_error not in {"raise", "warn"}:
            raise ValueError("on_error is 'raise' or 'warn'")
        self.findings: Findings | None = None
        self._tokenizer = tokenizer
        self._stop = None if stop is None else list(stop)
        self._max_length = max_length
        self._raises = on_error == "raise"

    def on_train_begin(
        self, _args: Any, _state: Any, control: Any, *, train_dataloader: Any = None, **_: Any
    ) -> Any:
        """Checks the first batch of the data loader."""
        if train_dataloader is not None:
            self.check(_first(train_dataloader))
        return control

    def check(self, batch: Any) -> Findings:
        """Checks one batch; the findings stay in ``findings``."""
        self.findings = check_batch(
            batch, self._tokenizer, stop=self._stop, max_length=self._max_length
        )
        if not self.findings.ok:
            self._complain(self.findings)
        return self.findings

    def _complain(self, findings: Findings) -> None:
        if not self._raises:
            sys.stderr.write(f"turnmill: the first batch is not right\n{findings}\n")
            return
        found = [finding for finding in findings.rules.values() if finding.severity == "error"]
        names = ", ".join(f"{finding.rule} ({finding.count})" for finding in found)
        error = DataError(
            f"the first batch that the trainer sees is not right: {names}",
            code=found[0].rule,
            row=found[0].evidence[0].get("row") if found[0].evidence else None,
            hint=f"turnmill check --explain {found[0].rule}",
        )
        raise error

    def __getattr__(self, name: str) -> Any:
        if name in _EVENTS:
            return _pass
        raise AttributeError(name)


def _first(dataloader: Any) -> Any:
    """The first batch. The random state that samplers and collators used is restored after it."""
    import random

    import numpy as np

    torch = sys.modules.get("torch")
    state = torch.random.get_rng_state() if torch else None
    own, arrays = random.getstate(), np.random.get_state()
    batch = next(iter(dataloader))
    random.setstate(own)
    np.random.set_state(arrays)
    if torch:
        torch.random.set_rng_state(state)
    return batch


def _pass(_args: Any, _state: Any, control: Any, **_: Any) -> Any:
    return control
