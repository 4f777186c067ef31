"""Prompts with a completion, and plain documents, in both languages."""

from __future__ import annotations

from random import Random


def review(random: Random) -> dict[str, str]:
    """A review and its verdict."""
    text, verdict = random.choice(
        [
            ("The zip broke on the second day.", "negative"),
            ("Light, quiet, and the battery lasts a week.", "positive"),
            ("It does what it says, no more and no less.", "neutral"),
            ("My third pair. I would buy them again tomorrow.", "positive"),
            ("Two weeks of waiting for the wrong colour.", "negative"),
            ("包装很用心，孩子一打开就喜欢。", "positive"),
            ("用了三天就掉漆，客服也不回。", "negative"),
            ("还可以，跟照片差不多。", "neutral"),
        ]
    )
    number = random.randint(1, 5)
    return {
        "prompt": f"Review {number}: {text}\nVerdict:",
        "completion": f" {verdict}",
    }


def extraction(random: Random) -> dict[str, str]:
    """A sentence and the facts in it as JSON."""
    name = random.choice(["Ines", "Tomasz", "Yara", "小雨", "Aiko"])
    city = random.choice(["Lisbon", "Gdansk", "Amman", "苏州", "Sendai"])
    year = random.randint(1987, 2019)
    return {
        "prompt": f"{name} has lived in {city} since {year}.\nJSON: ",
        "completion": f'{{"name": "{name}", "city": "{city}", "since": {year}}}',
    }


def title(random: Random) -> dict[str, str]:
    """A note and a title for it."""
    note, heading = random.choice(
        [
            ("Boiler makes a knocking noise, call the landlord before Friday.", "Noisy boiler"),
            ("Bring the blue folder and two passport photos.", "Papers for the office"),
            ("The bakery closes at one on Saturdays now.", "Bakery hours"),
            ("周四体检，早上不要吃东西，带身份证。", "体检提醒"),
            ("阳台的花隔天浇一次，别浇叶子。", "浇花"),
        ]
    )
    return {"prompt": f"Note: {note}\nTitle:", "completion": f" {heading}"}


TOPICS = [review, extraction, title]
"""Every topic; each gives one row of the ``prompt-completion`` schema."""

DOCUMENTS = [
    "A mill does not care what the grain was called in the field. It cares how large the kernels "
    "are, how dry, and whether there are stones among them. Most of a miller's day goes into the "
    "stones.",
    "The tide table on the harbour wall is wrong by six minutes, and everyone who lives here knows "
    "it. Strangers trust the table; the fishermen look at the moss on the third step.",
    "Bread keeps best cut side down on a wooden board. In a plastic bag the crust softens within "
    "hours, and in the refrigerator the crumb turns stale faster than on the table.",
    "A stop sign works because it stands where the road ends. Put it a metre too late and it is "
    "only a decoration.",
    "The night train has one carriage that nobody books: the one above the axle, where the rails "
    "talk. Anna always books it. She says that silence keeps her awake.",
    "When two lists of numbers should be equal and are not, look at the first place where they "
    "differ, not at how many places there are. The rest is usually the same mistake again.",
    "磨坊边的水车停了二十年，轴上长满青苔。去年春天有人把它修好，第一天磨出来的面粉，"
    "全村每家分到一碗。",
    "老码头的灯每晚七点亮。守灯人说，灯不是给大船看的，大船有雷达；灯是给划小船回来的人看的。",
    "搬家的时候最难收拾的是抽屉：里面的东西单看都没有用，放在一起却是一个人的十年。",
    "山里的冬天来得早。十月底井口就结了一层薄冰，早上打水要先用木桶敲一下，声音很脆，"
    "隔着一个院子都听得见。",
]
"""Plain documents."""
