"""Short sentences, all different, each a function of its number."""
import random

WORDS = """amber anchor apple arrow autumn basket beach bicycle blanket bottle branch bread bridge butter button cabin
camera candle canvas carpet castle cedar chair cherry circle cloud coffee copper corner cotton desert dinner dragon
eagle engine evening fabric falcon family farmer feather ferry finger flower forest garden ginger glacier guitar hammer
harbor harvest hazel helmet honey island jacket jasmine journey kettle kitchen ladder lantern lemon letter library
linen lizard maple marble market meadow melon mirror monkey morning mountain museum needle notebook ocean olive orange
orchard oyster paper parcel pebble pencil pepper piano pillow planet pocket pottery pumpkin rabbit rainbow ribbon river
rocket saddle sailor salmon school shadow silver singer spider spring summer sunset table teapot temple thunder tiger
timber tomato train tunnel turtle valley velvet village violin walnut willow window winter wizard yellow""".split()


def sentence(number):
    pick = random.Random(number)
    a, b, c, d, e = (pick.choice(WORDS) for _ in range(5))
    return f"Note {number}: the {a} {b} that was kept near the {c} belongs with the {d} and the {e}"
