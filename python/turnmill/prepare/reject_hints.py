"""What helps when many rows are rejected."""

from __future__ import annotations

_ADVICE = {
    "schema-mismatch": "name the shape with --schema, or odd field names with --fields a=b",
    "unknown-role": "name the roles with --roles, such as --roles client=user,counselor=assistant",
    "no-assistant-turn": "name the assistant's role with --roles, such as --roles bot=assistant",
    "template-error": "try --role-order trim, or another --template",
    "already-rendered": "give the conversations rather than text that a template has rendered",
    "missing-terminator": "give the token that ends turns with --stop, or use --eos ensure",
    "wrong-terminator": "give the token that ends turns with --stop",
    "overlong-sample": "raise --max-length, or shorten with --over-length whole-turns",
    "reasoning-dropped": "decide with --history expand, last-turn or as-rendered",
    "control-token-in-content": "encode such text as text with --special-in-content text",
    "turn-lost": "the template leaves turns out: try another --template",
    "invalid-json": "each line must be one JSON object",
}


def advice(rejected: dict[str, int]) -> str:
    """The commonest reasons, and the flags that would help with them, one line each."""
    commonest = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))[:3]
    reasons = ", ".join(f"{rule} ({number:,})" for rule, number in commonest)
    help_ = [f"{rule}: {_ADVICE[rule]}" for rule, _ in commonest if rule in _ADVICE]
    look = "`turnmill show INPUT --source FILE:LINE` shows what becomes of a row"
    return "\n".join([f"the commonest reasons: {reasons}", *help_, look])
