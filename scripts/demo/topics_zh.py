"""Chinese conversations, written for turnmill. Each function varies one topic by its slots."""

from __future__ import annotations

from random import Random

from demo.topics_en import Dialogue


def kitchen(random: Random) -> Dialogue:
    """Scaling a recipe."""
    dish, flour, people = random.choice(
        [("葱油饼", 300, 3), ("手擀面", 400, 4), ("饺子皮", 500, 5), ("馒头", 450, 6)]
    )
    guests = random.choice([n for n in range(2, 11) if n != people])
    scaled = round(flour * guests / people / 5) * 5
    return [
        (
            f"我做{dish}的方子是{people}个人吃，用{flour}克面粉。今天有{guests}个人，面粉要多少？",
            f"按人数等比例放大或缩小就行：{flour}÷{people}×{guests}，大约{scaled}克。"
            "水也按同样的比例，先少放一点，揉的时候再慢慢加。",
        ),
        (
            random.choice(["那盐呢？", "酵母也一样吗？"]),
            "盐可以按比例来。酵母可以略少一点，天热的时候发得快，多了反而会有酸味。",
        ),
    ]


def arithmetic(random: Random) -> Dialogue:
    """A word problem with its working."""
    price, count, paid = random.randint(3, 18), random.randint(4, 15), 0
    paid = (price * count // 50 + 1) * 50
    fruit = random.choice(["苹果", "橙子", "西瓜", "石榴", "火龙果"])
    return [
        (
            f"{fruit}每斤{price}元，小林买了{count}斤，付了{paid}元，应该找回多少钱？",
            f"先算总价：{price}×{count}={price * count}（元）。\n"
            f"再算找零：{paid}-{price * count}={paid - price * count}（元）。\n"
            f"所以应该找回{paid - price * count}元。",
        )
    ]


def health(random: Random) -> Dialogue:
    """Everyday well-being."""
    trouble, first, second = random.choice(
        [
            (
                "最近总是半夜醒来",
                "可以先看看睡前有没有喝咖啡或者长时间看手机。",
                "醒来以后别看时间，灯光调暗，过二十分钟还睡不着就起来坐一会儿。",
            ),
            (
                "久坐以后腰很酸",
                "每坐四十分钟就站起来走两分钟，比周末一次补运动更有效。",
                "椅子高度要让膝盖和髋部差不多齐平，屏幕上沿与视线同高。",
            ),
            (
                "一紧张就胃疼",
                "先试试在吃饭前慢慢呼吸几次，饭后不要马上坐回电脑前。",
                "如果疼得频繁，或者夜里会疼醒，请去看医生，不要自己一直吃止痛药。",
            ),
        ]
    )
    return [
        (f"我{trouble}，有什么办法吗？", first + second),
        ("好的，我先试一个星期。", "可以。顺手记一下每天的情况，一周之后看变化会更清楚。"),
    ]


def writing(random: Random) -> Dialogue:
    """Short messages to write or to improve."""
    name = random.choice(["王老师", "李经理", "张阿姨", "陈医生"])
    day = random.choice(["周一", "周三", "周五"])
    thing = random.choice(["还书", "交材料", "复诊", "开会"])
    return [
        (
            f"帮我给{name}写一条消息，说{day}不能去{thing}了，想改个时间。",
            f"{name}您好，非常抱歉，我{day}临时有事，不能去{thing}了。请问改到下周方便吗？给您添麻烦了。",
        ),
        ("再短一点。", f"{name}您好，{day}有事不能去{thing}了，想改到下周，可以吗？抱歉！"),
    ]


def translation(random: Random) -> Dialogue:
    """Between the two languages."""
    pairs = [
        (
            "远亲不如近邻。",
            "A neighbour close by is better than a relative far away.",
        ),
        (
            "图书馆周末照常开放。",
            "The library is open at weekends as usual.",
        ),
        (
            "这趟车晚点了，大概还要等一刻钟。",
            "This train is late; we will have to wait another quarter of an hour or so.",
        ),
        (
            "请在用餐前半小时服药。",
            "Please take the medicine half an hour before the meal.",
        ),
        (
            "合同一式两份，双方各执一份。",
            "The contract is made out in duplicate, one copy for each party.",
        ),
    ]
    chinese, english = random.choice(pairs)
    if random.random() < 0.5:
        return [(f"把这句话翻译成英文：{chinese}", english)]
    return [(f"请翻译成中文：{english}", chinese)]


def computer(random: Random) -> Dialogue:
    """Small technical questions."""
    return [
        random.choice(
            [
                (
                    "Python 里列表和元组有什么区别？",
                    "列表可以修改，元组不能修改。需要增删元素用列表；表示一组固定的值，"
                    "或者要当字典的键，用元组。",
                ),
                (
                    "怎么把一个文件夹打包成 tar.gz？",
                    "```sh\ntar -czf backup.tar.gz 文件夹/\n```\n解压用 `tar -xzf backup.tar.gz`。",
                ),
                (
                    "什么是缓存？",
                    "缓存就是把算过或者取过的结果先放在手边，下次直接用。好处是快，"
                    "麻烦是原来的数据变了以后，要记得让它失效。",
                ),
                (
                    "为什么 0.1 + 0.2 不等于 0.3？",
                    "因为计算机用二进制存小数，0.1 和 0.2 都只能存近似值，加起来的误差就露出来了。"
                    "比较时看差的绝对值是否足够小，金额则用整数的分来算。",
                ),
            ]
        )
    ]


def poem(random: Random) -> Dialogue:
    """A few lines on a subject."""
    subject, lines = random.choice(
        [
            ("初雪", "清晨推开窗，\n屋顶都轻了一些。\n邻居扫出的小路，\n一直通到面包店。"),
            ("夜班车", "最后一站还远，\n玻璃上映着半个城。\n司机轻轻报站名，\n像念给自己听。"),
            ("旧书", "书页里夹着车票，\n日期是我出生那年。\n不知是谁读到这里，\n忽然下了车。"),
        ]
    )
    return [(f"以“{subject}”为题写四行小诗，不要押韵。", lines)]


TOPICS = [kitchen, arithmetic, health, writing, translation, computer, poem]
"""Every topic; each gives one dialogue of one or more exchanges."""
