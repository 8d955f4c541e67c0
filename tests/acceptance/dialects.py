"""The recorded dialogues of `tests/power/dialects`: how they are read, played on a real Mosquitto, and
compared with what the built program tells of the meters there."""

import dataclasses
import datetime
import json
import math
import pathlib
import re
import time
import tomllib

from harness import Mosquitto, Mqtt, Service, until
from leap import OTHERS, Leap, Machine

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "power" / "dialects"
START = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
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

    def __init__(self, name, dialogue):
        self.name = name.replace("_", "-")
        self.config, self.lines = {}, []
        at = 0
        for number, text in enumerate(dialogue.splitlines(), 1):
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
                assert not text or text.startswith("#"), f"{name}, line {number}: {text}"

    def place(self):
        """What its topics have in common, by its table."""
        return next(self.config[key] for key in DIALECTS if key in self.config)

    def topics(self):
        """Every topic on which it speaks."""
        return {line.topic for line in self.lines if line.topic}


def all_dialogues():
    """Every dialogue there is, in groups of those that share no topic."""
    groups = []
    for path in sorted(FOLDER.glob("*.txt")):
        dialogue = Dialogue(path.stem, path.read_text())
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


def outside(folder, broker, config, environment=None):
    """A service on Mosquitto that watches little else than meters."""
    service = Service(folder / "home", {
        "host": Machine(folder / "host").config(),
        "mqtt": {"broker": {"url": f"mqtt://127.0.0.1:{broker.port}", "keep_alive": "1h"}},
        "collect": {name: {"enabled": False} for name in OTHERS},
    }, environment)
    del service.settings["mqtt"]["embedded"]
    service.configure(config)
    return service


class Play:
    """Dialogues on a Mosquitto, and what a service tells of their meters there."""

    def __init__(self, folder, dialogues):
        folder.mkdir()
        self.dialogues = dialogues
        self.broker = Mosquitto(folder / "mosquitto",
                                "allow_anonymous true\nlog_type all\n").start()
        # No keep-alive: what it sees of time has nothing to do with the service's.
        self.mqtt = Mqtt(self.broker.port, "homewatch/box/#", keepalive=0)
        # The ticks come between the lines, which are multiples of ten seconds apart.
        self.leap = Leap(folder, START - datetime.timedelta(seconds=25))
        meters = {one.name: one.config for one in dialogues}
        self.service = outside(folder, self.broker, {
            "node": {"interval": "10s"}, "power": {"meters": meters}}, self.leap.environment)
        self.service.mqtt_port = self.broker.port

    def listens(self):
        """Whether the service has subscribed to what the meters say."""
        log = (self.broker.folder / "mosquitto.log").read_text(errors="replace")
        asked, _, _ = log.rpartition("Sending SUBACK")
        filters = re.findall(r"^\d+: \t(.*) \(QoS \d\)$", asked, re.MULTILINE)
        return all(any(one.place() in text for text in filters) for one in self.dialogues)

    def say(self, line, kept):
        """Publishes as the device does; Mosquitto has handed it on when it answers."""
        self.mqtt.publish(line.topic, line.payload, retain=kept)

    def told(self, name):
        """What is told of a meter, None while it is unavailable."""
        topic = f"homewatch/box/power/meter-{name}"
        latest = self.mqtt.latest(f"{topic}/#")
        availability = latest.get(f"{topic}/availability")
        if availability is None or availability.text != "online":
            return None
        return latest[topic].json

    def check(self, dialogue, line):
        """Compares what is told with what is expected."""
        def failures():
            told = self.told(dialogue.name)
            return [text for text in (fails(told, want) for want in line.wants) if text]
        end = time.monotonic() + 1
        while failures() and time.monotonic() < end:
            time.sleep(0.05)
        where = f"{dialogue.name}, line {line.number}"
        return [f"{where}: {text}" for text in failures()]

    def run(self):
        """Plays all of them at once from the start; returns what was not as expected."""
        everything = [(line.at, dialogue, line) for dialogue in self.dialogues
                      for line in dialogue.lines]
        for _, _, line in everything:
            if line.kept:
                self.say(line, kept=True)
        self.service.start()
        self.mqtt.wait("homewatch/box/status", lambda m: m.text == "online")
        until(self.listens, "the service's subscriptions")
        wrong = []
        for at in sorted({at for at, _, _ in everything}):
            self.leap.quiet(self.broker)
            self.leap.to(START.timestamp() + at)
            self.leap.quiet(self.broker)
            for _, dialogue, line in (one for one in everything if one[0] == at):
                if line.wants:
                    wrong += self.check(dialogue, line)
                elif not line.kept:
                    self.say(line, bool(KEPT.search(line.topic)))
        return wrong

    def close(self):
        """Ends all of it."""
        self.mqtt.close()
        self.service.close()
        self.broker.close()
