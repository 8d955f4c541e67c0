"""Fans in homewatch's hands: in every doubt, and at every end, they are given back."""

import pytest
from harness import until

PROBE, BOARD = "sys/class/hwmon/hwmon8", "sys/class/hwmon/hwmon9"
AUTOMATIC, BY_HAND = "5", "1"
# What becomes of a sensor, as the driver writes it; None: its file is gone.
DOUBTS = {"gone": None, "nonsense": "n/a", "empty": "", "cut": "-128000", "wild": "999999999"}
STAND = "homewatch/box/health/fancontrol-{}"


class Board:
    """A board with an output and a sensor for each of `names`, in the captured desktop."""

    def __init__(self, host, *names):
        self.host, self.names = host, names
        for chip, name in ((PROBE, "probe"), (BOARD, "board")):
            (host.folder / chip).mkdir()
            host.write(f"{chip}/name", name)
        for number, name in enumerate(names, 1):
            host.write(f"{PROBE}/temp{number}_label", name)
            host.write(f"{PROBE}/temp{number}_input", 50000)
            host.write(f"{BOARD}/pwm{number}", 90)
            host.write(f"{BOARD}/pwm{number}_enable", AUTOMATIC)
            host.write(f"{BOARD}/fan{number}_input", 800)

    def config(self, **sensors):
        """The configuration that drives all of them, each by its sensor unless told otherwise."""
        drive = {name: {"output": f"board/{number}", "curve": "quiet",
                        "sensors": [sensors.get(name, f"temp-probe-{name}")]}
                 for number, name in enumerate(self.names, 1)}
        return {"host": self.host.config(), "fans": {
            "curves": {"quiet": {"points": ["40:30", "80:100"]}}, "drive": drive}}

    def read(self, name, kind="_enable"):
        number = self.names.index(name) + 1
        return (self.host.folder / f"{BOARD}/pwm{number}{kind}").read_text().strip()

    def sensor(self, name, text):
        file = f"{PROBE}/temp{self.names.index(name) + 1}_input"
        if text is None:
            (self.host.folder / file).unlink()
        else:
            self.host.write(file, text)

    def wait(self, mode):
        until(lambda: {self.read(name) for name in self.names} == {mode}, f"mode {mode} of all")


@pytest.fixture
def case(host):
    """A board with one fan."""
    return Board(host, "case")


def test_at_a_stop_it_is_given_back(home, case):
    service = home(case.config()).start()
    case.wait(BY_HAND)
    mqtt = service.mqtt(STAND.format("case"))
    told = mqtt.wait("#", lambda m: m.json["mode"] == "curve").json
    assert (told["fault"], told["temperature_c"]) == (False, 50)
    service.stop()
    assert case.read("case") == AUTOMATIC


def test_what_has_no_automatic_runs_fully_when_it_is_given_back(home, case):
    case.host.write(f"{BOARD}/pwm1_enable", BY_HAND)
    service = home(case.config()).start()
    until(lambda: case.read("case", "") not in ("90", "255"), "a drive of the curve")
    service.stop()
    assert (case.read("case"), case.read("case", "")) == (BY_HAND, "255")


def test_after_a_kill_it_is_given_back_by_the_command_that_the_unit_calls(home, case):
    service = home(case.config()).start()
    case.wait(BY_HAND)
    service.crash()
    assert case.read("case") == BY_HAND
    assert "given back" in service.run("fans", "release")
    assert case.read("case") == AUTOMATIC
    assert service.run("fans", "release") == ""


@pytest.mark.parametrize("driven", [True, False])
def test_after_a_kill_the_next_run_knows_how_it_was_driven_or_not(home, case, driven):
    service = home(case.config()).start()
    case.wait(BY_HAND)
    service.crash()
    if driven:
        service.start()
        service.mqtt(STAND.format("case")).wait("#", lambda m: m.json["mode"] == "curve")
        service.stop()
    else:
        service.settings["fans"]["drive"] = {}
        service.configure({})
        service.start()
    assert case.read("case") == AUTOMATIC


def test_a_sensor_that_cannot_be_believed_gives_its_fan_back_until_it_is_back_for_a_while(
        home, host, leap):
    board = Board(host, "well", *DOUBTS)
    service = home(board.config(), leap.environment).start()
    board.wait(BY_HAND)
    for name, text in DOUBTS.items():
        board.sensor(name, text)
    mqtt = service.mqtt("homewatch/box/health/#", keepalive=0)
    for _ in range(3):
        leap.by(6)
    assert {name: board.read(name) for name in board.names} == {
        "well": BY_HAND, **dict.fromkeys(DOUBTS, AUTOMATIC)}
    for name in DOUBTS:
        told = mqtt.wait(STAND.format(name), lambda m: m.json["mode"] == "blind").json
        assert told["fault"] and f"temp-probe-{name}" in told["fault_text"]
    for name in DOUBTS:
        board.sensor(name, "50000")
    leap.by(6)
    assert {board.read(name) for name in DOUBTS} == {AUTOMATIC}, "not for a moment's sight"
    for _ in range(3):
        leap.by(16)
    board.wait(BY_HAND)


def test_a_thermometer_that_falls_silent_gives_its_fan_back(home, case, leap):
    rack = {"ambient": {"rack": {"topic": "rack", "silent_after": "1m"}}}
    service = home(case.config(case="ambient-rack") | {"health": rack}, leap.environment).start()
    mqtt = service.mqtt(STAND.format("case"), keepalive=0)
    for _ in range(4):
        mqtt.publish("rack", "31.5")
        leap.by(16)
    mqtt.wait("#", lambda m: m.json["mode"] == "curve" and m.json.get("temperature_c") == 31.5)
    assert case.read("case") == BY_HAND
    before = len(mqtt.messages)
    for _ in range(5):
        leap.by(16)
    mqtt.wait("#", lambda m: m.json["mode"] == "blind", before)
    assert case.read("case") == AUTOMATIC
