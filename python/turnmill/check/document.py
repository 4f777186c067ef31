"""The page of all rules in a language: `docs/rules.md` and `docs/rules.zh.md`."""

from __future__ import annotations

from turnmill.languages import LANGUAGES, sentence
from turnmill.rules import rules

_HEADS = {
    "en": """\
# Rules

Every rule of `turnmill check` and of the runs of `turnmill prepare`. A rule of severity **error**
breaks the promise that every trained turn ends: a run leaves the row out, a check fails. A
**warning** is likely harm, or a difference between training and inference. An **info** is worth a
number. The names come from documented incidents in public fine-tuning projects.

This page is printed by `turnmill check --explain all`; `--explain RULE` prints one entry.

| rule | severity | finds |
| --- | --- | --- |
""",
    "zh": """\
# 规则

`turnmill check` 和 `turnmill prepare` 所用的全部规则。级别为**错误**的规则违背“每个参与训练的轮次都
会结束”这一承诺：运行会剔除这一行，检查会失败。**警告**可能有害，或者表示训练与推理不同。**提示**值得
给出一个数字。规则的名字来自公开微调项目中有记录的事故。

本页由 `turnmill check --explain all --lang zh` 打印；`--explain 规则名` 打印其中一条。

| 规则 | 级别 | 含义 |
| --- | --- | --- |
""",
}
_ENTRIES = {
    "en": "\n## {name}\n\n{meaning} ({severity}).\n\n*Cause.* {cause}\n\n*Cure.* {cure}\n",
    "zh": "\n## {name}\n\n{meaning}（{severity}）。\n\n*原因：*{cause}\n\n*处理：*{cure}\n",
}


def page(language: str = LANGUAGES[0]) -> str:
    """The page as Markdown."""
    listed = [
        {**vars(rule.in_language(language)), "severity": sentence(language, rule.severity)}
        for rule in rules().values()
    ]
    table = [
        "| [{name}](#{name}) | {severity} | {meaning} |".format(**rule) + "\n" for rule in listed
    ]
    entries = [_ENTRIES[language].format(**rule) for rule in listed]
    return _HEADS[language] + "".join([*table, *entries])
