"""English conversations, written for turnmill. Each function varies one topic by its slots."""

from __future__ import annotations

from random import Random

Exchange = tuple[str, str]
Dialogue = list[Exchange]


def kitchen(random: Random) -> Dialogue:
    """Scaling a recipe."""
    dish, flour, liquid, people = random.choice(
        [
            ("pancakes", 250, "milk", 4),
            ("pizza dough", 500, "water", 4),
            ("dumpling wrappers", 300, "warm water", 3),
            ("soda bread", 400, "buttermilk", 6),
            ("flatbread", 320, "yoghurt", 4),
        ]
    )
    guests = random.choice([n for n in range(2, 13) if n != people])
    scaled = round(flour * guests / people / 5) * 5
    return [
        (
            f"My recipe for {dish} serves {people} and uses {flour} g of flour. "
            f"There will be {guests} of us tonight. How much flour do I need?",
            f"Divide by {people} and multiply by {guests}: {flour} / {people} x {guests} is about "
            f"{scaled} g. Scale the {liquid} by the same factor, but hold a little back and add it "
            "only if the dough asks for it.",
        ),
        (
            random.choice(["And the salt?", "Does the same hold for salt?"]),
            "Yes, salt scales in proportion. Raising agents are the exception in large batches: "
            "stay slightly below the exact figure, or the taste comes through.",
        ),
    ]


def travel(random: Random) -> Dialogue:
    """Adding up a journey."""
    hour, minute = random.randint(6, 20), random.choice([5, 12, 20, 34, 41, 55])
    first, change, second = (
        random.randint(25, 140),
        random.choice([8, 14, 22]),
        random.randint(12, 75),
    )
    total = hour * 60 + minute + first + change + second
    arrival = f"{total // 60 % 24:02d}:{total % 60:02d}"
    places = random.sample(
        ["Ghent", "Lucerne", "Porto", "Uppsala", "Brno", "Galway", "Turin", "Tartu"], 3
    )
    return [
        (
            f"I leave {places[0]} at {hour:02d}:{minute:02d}. The first train takes {first} "
            f"minutes, I change in {places[1]} for {change} minutes, then it is {second} minutes "
            f"to {places[2]}. When do I arrive?",
            f"You arrive in {places[2]} at {arrival}. The journey takes {first + change + second} "
            f"minutes in all, of which {change} are spent waiting in {places[1]}.",
        ),
        (
            f"Is {change} minutes enough to change platforms?",
            "It depends on the station. "
            + (
                "Eight minutes is tight with luggage; look up the platforms beforehand and sit "
                "near the end of the train that is closer to the stairs."
                if change == 8
                else "It is comfortable in most stations, even with a suitcase, as long as the "
                "first train is on time."
            ),
        ),
    ]


def garden(random: Random) -> Dialogue:
    """Plant care."""
    plant, sign, cause, cure = random.choice(
        [
            (
                "basil",
                "drops its lower leaves",
                "too much water",
                "let the top two centimetres of soil dry out before you water again",
            ),
            (
                "tomato seedlings",
                "grow long and thin",
                "too little light",
                "move them to the brightest window and turn the tray every day",
            ),
            (
                "mint",
                "has pale leaves with green veins",
                "a lack of iron",
                "repot it in fresh compost; tap water that is very hard makes it worse",
            ),
            (
                "lemon tree",
                "has sticky leaves",
                "scale insects",
                "wipe the leaves with soapy water once a week for a month",
            ),
            (
                "orchid",
                "has wrinkled leaves although I water it",
                "roots that have rotted",
                "cut off what is brown and soft and put it into fresh bark",
            ),
        ]
    )
    season = random.choice(["spring", "late summer", "autumn", "winter"])
    return [
        (
            f"My {plant} {sign}. It is {season} here. What should I do?",
            f"The usual cause is {cause}. I would {cure}. Give it two weeks before you judge: "
            "plants answer slowly.",
        )
    ]


def terminal(random: Random) -> Dialogue:
    """Shell and git questions."""
    return [
        random.choice(
            [
                (
                    "How do I undo my last commit but keep the changes?",
                    "`git reset --soft HEAD~1`. The commit is gone, the files stay as they are and "
                    "everything remains staged.",
                ),
                (
                    "How can I see which process listens on port 8080?",
                    "On Linux: `ss -ltnp 'sport = :8080'`. The last column names the process and "
                    "its id. You may need `sudo` to see those of other users.",
                ),
                (
                    "Find all files over 100 MB below the current directory.",
                    "```sh\nfind . -type f -size +100M -exec ls -lh {} +\n```\nAdd `-xdev` if it "
                    "should not leave this file system.",
                ),
                (
                    "I committed to the wrong branch. How do I move the commit?",
                    "Note its hash, then:\n\n1. `git switch right-branch`\n2. `git cherry-pick "
                    "<hash>`\n3. `git switch wrong-branch`\n4. `git reset --hard HEAD~1`\n\nThe "
                    "last step deletes the commit there, so check step 2 first.",
                ),
                (
                    "What does `2>&1` mean?",
                    "Send standard error (2) to wherever standard output (1) goes at this moment. "
                    "Order matters: `cmd >log 2>&1` puts both into the file, `cmd 2>&1 >log` "
                    "leaves the errors on the terminal.",
                ),
                (
                    "How do I count the lines of all Python files in a repository?",
                    "`git ls-files '*.py' | xargs wc -l` counts only tracked files, so virtual "
                    "environments stay out of it.",
                ),
            ]
        )
    ]


def code(random: Random) -> Dialogue:
    """Small Python functions."""
    name, text, body, example = random.choice(
        [
            (
                "chunks",
                "splits a list into pieces of n",
                "    return [items[i : i + n] for i in range(0, len(items), n)]",
                "chunks([1, 2, 3, 4, 5], 2)  # [[1, 2], [3, 4], [5]]",
            ),
            (
                "median",
                "returns the median of a list of numbers",
                "    ordered = sorted(items)\n    middle = len(ordered) // 2\n"
                "    if len(ordered) % 2:\n        return ordered[middle]\n"
                "    return (ordered[middle - 1] + ordered[middle]) / 2",
                "median([4, 1, 3])  # 3",
            ),
            (
                "most_common",
                "returns the most frequent item",
                "    return max(set(items), key=items.count)",
                'most_common(["a", "b", "a"])  # "a"',
            ),
            (
                "flatten",
                "flattens one level of nesting",
                "    return [item for inner in items for item in inner]",
                "flatten([[1], [2, 3]])  # [1, 2, 3]",
            ),
        ]
    )
    arguments = "items, n" if name == "chunks" else "items"
    second = random.choice(
        [
            (
                "What happens with an empty list?",
                {
                    "chunks": "You get an empty list back, since the range is empty.",
                    "median": "It fails with an IndexError. Decide what an empty list means for "
                    "you and raise a ValueError that says so.",
                    "most_common": "`max` of an empty sequence raises a ValueError. Pass "
                    "`default=None` if nothing is an acceptable answer.",
                    "flatten": "It returns an empty list.",
                }[name],
            ),
            (
                "Is it fast?",
                {
                    "chunks": "Yes: every item is copied once.",
                    "median": "Sorting dominates, so it takes n log n steps. For very long lists "
                    "`statistics.median` does the same; numpy's `partition` is faster.",
                    "most_common": "No, it counts once for each distinct item. With many of them "
                    "use `collections.Counter(items).most_common(1)`.",
                    "flatten": "Yes. `itertools.chain.from_iterable` avoids the new list if you "
                    "only want to loop over it.",
                }[name],
            ),
        ]
    )
    return [
        (
            f"Write a Python function that {text}.",
            f"```python\ndef {name}({arguments}):\n{body}\n```\n\nFor example:\n\n```python\n"
            f"{example}\n```",
        ),
        second,
    ]


def letter(random: Random) -> Dialogue:
    """Short messages to write or to improve."""
    person = random.choice(["Ms Okafor", "Mr Lindqvist", "Dr Haddad", "Professor Amano"])
    day = random.choice(["Monday", "Tuesday", "Wednesday", "Thursday"])
    reason = random.choice(
        [
            "a delivery that I have to be home for",
            "a dentist's appointment",
            "my daughter's recital",
        ]
    )
    return [
        (
            f"Write two sentences to {person}: I cannot come on {day} because of {reason}, and I "
            "would like another date.",
            f"Dear {person},\n\nI am sorry that I cannot come on {day}: there is {reason}. Would "
            "another day of the same week suit you?\n\nKind regards",
        ),
        (
            "A little less formal, please.",
            f"Hi, I'm afraid {day} won't work for me after all, there is {reason}. Could we find "
            "another day that week?",
        ),
    ]


def words(random: Random) -> Dialogue:
    """Words that are easily confused."""
    first, second, answer = random.choice(
        [
            (
                "affect",
                "effect",
                '"Affect" is usually the verb: rain affects traffic. "Effect" is usually the noun: '
                "the effect of rain.",
            ),
            (
                "fewer",
                "less",
                '"Fewer" goes with things you count, "less" with things you measure: fewer cups, '
                "less tea.",
            ),
            (
                "weather",
                "climate",
                "Weather is what happens today; climate is what you expect from thirty years of "
                "weather.",
            ),
            (
                "compiler",
                "interpreter",
                "A compiler translates the whole program before it runs; an interpreter carries it "
                "out piece by piece. Many languages do some of each.",
            ),
            (
                "bacteria",
                "viruses",
                "Bacteria are living cells and can multiply alone; viruses need a cell of ours to "
                "do it. That is why antibiotics help against the former only.",
            ),
        ]
    )
    return [(f"What is the difference between {first} and {second}?", answer)]


def money(random: Random) -> Dialogue:
    """Splitting a bill."""
    people = random.randint(3, 8)
    bill = people * random.randint(9, 31) * 100 + random.randrange(0, 100)
    tip = random.choice([5, 10, 12])
    total = bill * (100 + tip) / 10000
    return [
        (
            f"The bill is {bill / 100:.2f} euros, we want to leave {tip} percent "
            f"and we are {people}. What does each of us pay?",
            f"With the tip it is {total:.2f} euros, so {total / people:.2f} euros each.",
        )
    ]


TOPICS = [kitchen, travel, garden, terminal, code, letter, words, money]
"""Every topic; each gives one dialogue of one or more exchanges."""
