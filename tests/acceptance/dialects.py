"""The recorded dialogues of `tests/power/dialects`: how they are read, and whether what is told of a
meter is what they ask for."""

import dataclasses
import json
import math
import pathlib
import re
import tomllib

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "power" / "dialects"
UNITS = {"s": 1, "m": 60, "h": 3600}
DIALECTS = ("tasmota", "shelly", "shelly_gen1", "zigbee2mqtt", "esphome", "dsmr_reader", "emonhub",
            "homeassistant", "mqtt")
# What devices have the broker keep of them.
KEPT = re.compile(r"(/LWT|/online|/status|/availability|/bridge/state)$|^statestream/")


@dataclasses.dataclass
class Line:
    """What happens ``at`` so many seconds after the beginning: something is said, or expected."""

    number: int
    at: int
    topic: str = ""
    payload: str = ""
    kept: bool = False
    wants: tuple = ()


class Dialogue:
    """A meter's table and what is said and expected, line by line."""

    def __init__(self, path):
        self.name = path.stem.replace("_", "-")
        self.config, self.lines = {}, []
        at = 0
        for number, text in enumerate(path.read_text().splitlines(), 1):
            head, _, rest = text.partition(" ")
            if head == "config":
                self.config |= tomllib.loads(rest)
            elif head in ("<", "<r"):
                topic, payload = said(rest)
                self.lines.append(Line(number, at, topic, payload, head == "<r"))
            elif head == "?":
                self.lines.append(Line(number, at, wants=tuple(wants(rest))))
            elif head.startswith("+"):
                at += int(head[1:-1]) * UNITS[head[-1]]
            else:
                assert not text or text.startswith("#"), f"{path.name}, line {number}: {text}"

    def place(self):
        """What its topics have in common, by its table."""
        return next(self.config[key] for key in DIALECTS if key in self.config)

    def topics(self):
        """Every topic on which it speaks."""
        return {line.topic for line in self.lines if line.topic}


def all_dialogues():
    """Every dialogue there is, in groups of those that share no topic."""
    groups = []
    for dialogue in map(Dialogue, sorted(FOLDER.glob("*.txt"))):
        for group in groups:
            if not any(dialogue.topics() & other.topics() for other in group):
                group.append(dialogue)
                break
        else:
            groups.append([dialogue])
    return groups


def said(text):
    """Topic and payload. Topics of Zigbee2MQTT have blanks, so that the payload begins where JSON
    does, or else at the first blank of the last level."""
    start = text.find(" {")
    if start < 0 or "/" not in text[:start]:
        start = text.index(" ", max(text.rfind("/"), 0))
    return text[:start], text[start + 1:]


def wants(text):
    """``key=value`` by blanks; ``key~text`` goes to the end of the line."""
    plain, contains, rest = re.fullmatch(r"(.*?)(?:(\S+)~(.*))?", text).groups()
    return plain.split() + ([f"{contains}~{rest}"] if contains else [])


def fails(told, want):
    """Why ``told`` (the object of a meter, None while it is unavailable) is not as wanted."""
    if want == "away":
        return "" if told is None else f"is there: {told}"
    if told is None:
        return f"{want}: is away"
    if "~" in want:
        key, part = want.split("~", 1)
        return "" if part in told.get(key, "") else f"{want}: {told}"
    key, value = want.split("=", 1)
    found = told.get(key)
    if isinstance(found, bool):
        found = json.dumps(found)
    if isinstance(found, (int, float)):
        same = value != "-" and math.isclose(found, float(value), abs_tol=1e-6)
    else:
        same = value == ("-" if found is None else found)
    return "" if same else f"{want}: {told}"
