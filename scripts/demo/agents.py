"""Conversations with tools and with reasoning, in both languages."""

from __future__ import annotations

from random import Random
from typing import Any

Message = dict[str, Any]

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of one day at a place",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}, "day": {"type": "string"}},
            "required": ["place"],
        },
    },
}
TRAINS = {
    "type": "function",
    "function": {
        "name": "next_train",
        "description": "The next departure between two stations",
        "parameters": {
            "type": "object",
            "properties": {"from": {"type": "string"}, "to": {"type": "string"}},
            "required": ["from", "to"],
        },
    },
}


def call(name: str, **arguments: object) -> Message:
    """An assistant message that calls one tool."""
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": function}],
    }


def weather(random: Random) -> dict[str, Any]:
    """One tool call, its result, an answer."""
    degrees = random.randint(-4, 31)
    if random.random() < 0.5:
        place, day, sky = (
            random.choice(["Bergen", "Lyon", "Leeds", "Split"]),
            random.choice(["today", "tomorrow"]),
            random.choice(["rain", "sun", "cloud"]),
        )
        advice = {
            "rain": "Take an umbrella.",
            "sun": "No umbrella needed.",
            "cloud": "It stays dry, but the sun will not come out.",
        }[sky]
        question = f"Do I need an umbrella in {place} {day}?"
        answer = f"{advice} The forecast for {place} says {sky} at {degrees} °C."
    else:
        place, day, sky = (
            random.choice(["青岛", "成都", "昆明", "哈尔滨"]),
            random.choice(["今天", "明天"]),
            random.choice(["小雨", "晴", "多云"]),
        )
        question = f"{day}去{place}要带伞吗？"
        answer = (
            f"{'要带伞' if sky == '小雨' else '不用带伞'},{place}{day}{sky}，气温{degrees}度左右。"
        )
    return {
        "messages": [
            {"role": "user", "content": question},
            call("get_weather", place=place, day=day),
            {"role": "tool", "content": f'{{"sky": "{sky}", "degrees": {degrees}}}'},
            {"role": "assistant", "content": answer},
        ],
        "tools": [WEATHER],
    }


def connection(random: Random) -> dict[str, Any]:
    """Two tools to choose from, two calls in a row."""
    start, end = random.sample(["Basel", "Milan", "Graz", "Ostend", "Nantes"], 2)
    hour, sky = random.randint(7, 21), random.choice(["snow", "sun"])
    return {
        "messages": [
            {"role": "system", "content": "You help travellers. Answer in one sentence."},
            {"role": "user", "content": f"When is the next train from {start} to {end}?"},
            call("next_train", **{"from": start, "to": end}),
            {"role": "tool", "content": f'{{"departure": "{hour:02d}:07", "platform": 4}}'},
            {"role": "assistant", "content": f"At {hour:02d}:07 from platform 4."},
            {"role": "user", "content": "And what will the weather be like when I get there?"},
            call("get_weather", place=end, day="today"),
            {"role": "tool", "content": f'{{"sky": "{sky}"}}'},
            {"role": "assistant", "content": f"Expect {sky} in {end}."},
        ],
        "tools": [TRAINS, WEATHER],
    }


def reasoning(random: Random) -> dict[str, Any]:
    """An answer with the thought before it."""
    a, b = random.randint(12, 98), random.randint(12, 98)
    tens, ones = b // 10 * 10, b % 10
    if random.random() < 0.5:
        question = f"What is {a} times {b}? Only the number, please."
        thought = (
            f"{a} x {b}: {a} x {tens} = {a * tens}, {a} x {ones} = {a * ones}, "
            f"together {a * tens} + {a * ones} = {a * b}."
        )
        answer = f"{a * b}"
    else:
        question = f"{a}乘以{b}等于多少？只要结果。"
        thought = f"{a}×{tens}={a * tens},{a}×{ones}={a * ones}，加起来是{a * b}。"
        answer = f"{a * b}"
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "reasoning_content": thought, "content": answer},
        ]
    }


def calendar(random: Random) -> dict[str, Any]:
    """Reasoning about days of the week."""
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    start, distance = random.randrange(7), random.randint(9, 60)
    end = days[(start + distance) % 7]
    return {
        "messages": [
            {
                "role": "user",
                "content": f"If today is {days[start]}, which day is it in {distance} days?",
            },
            {
                "role": "assistant",
                "reasoning_content": f"{distance} = {distance // 7} weeks and {distance % 7} days. "
                f"{distance % 7} days after {days[start]} is {end}.",
                "content": f"It will be a {end}.",
            },
        ]
    }


TOPICS = [weather, connection, reasoning, calendar]
"""Every topic; each gives one row of the ``messages`` schema."""
