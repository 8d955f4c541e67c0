"""What no meter, no tariff and no process should do, and what the built program makes of it."""

import shutil

import pytest
from dialects import Dialogue
from leap import HOUR, OTHERS, Leap, Machine, berlin


def sensor(topic, **energy):
    """A line of a Tasmota plug."""
    figures = ",".join(f'"{key}":{value}' for key, value in energy.items())
    return f'< tele/{topic}/SENSOR {{"ENERGY":{{{figures}}}}}\n'


def often(pause, count, line):
    """The same line, again and again; ``line`` may depend on the number."""
    lines = (line(n) if callable(line) else line for n in range(count))
    return "".join(f"{one}+{pause}\n" for one in lines)


def pair(name, watts, kwh):
    """A line of a meter that tells watts and counter."""
    return f'< {name} {{"w":{watts},"e":{kwh}}}\n'


TASMOTA = 'config tasmota = "{}"\n'
PAIR = 'config mqtt = "{}"\nconfig power = "w"\nconfig energy = "e"\n'
# As `src/meter/mod.rs` states it, each on a device of its own.
METERS = {
    "no-number": 'config mqtt = "no-number"\n< no-number nan\n+10s\n? power_w=- fault=true '
                 'suspect~no number\n< no-number inf\n+10s\n? power_w=- suspect~no number\n'
                 '< no-number 40\n+10s\n? power_w=40 fault=false\n',
    "negative": TASMOTA.format("negative") + sensor("negative", Total=1.0, Power=-120)
    + "+10s\n? power_w=- energy_kwh=1 fault=true suspect~set scale = -1\n"
    + sensor("negative", Total=1.0, Power=-0.4) + "+10s\n? power_w=0 fault=false\n",
    "absurd": TASMOTA.format("absurd") + sensor("absurd", Total=1.0, Power=40) + "+10s\n"
    + sensor("absurd", Total=1.0, Power=1000000000)
    + "+10s\n? power_w=- energy_kwh=1 suspect~more than max_w\n"
    + sensor("absurd", Total=1.001, Power=41) + "+10s\n? power_w=41 energy_kwh=1.001 fault=false\n"
    + sensor("absurd", Total=1.0, Power="1e999") + "+10s\n? power_w=41 suspect~cannot be read\n",
    "frozen": TASMOTA.format("frozen")
    + often("6m", 22, sensor("frozen", Power=40, Voltage=230.1, Current=0.201))
    + sensor("frozen", Power=40, Voltage=230.1, Current=0.201)
    + "+10s\n? power_w=40 suspect~it may hang\n"
    + sensor("frozen", Power=40, Voltage=230.2, Current=0.201) + "+10s\n? power_w=40 fault=false\n",
    "counter-stands": PAIR.format("counter-stands")
    + often("6m", 30, pair("counter-stands", 500, 100.0))
    + pair("counter-stands", 500, 100.0) + "+10s\n? power_w=500 suspect~it may hang\n",
    "kilowatts": TASMOTA.format("kilowatts")
    + sensor("kilowatts", Total=1.0, Power=0.126, Voltage=230, Current=0.55)
    + '+10s\n? power_w=- energy_kwh=1 suspect~power_unit = "kW"\n',
    "kilowatts-told": TASMOTA.format("kilowatts-told") + 'config power_unit = "kW"\n'
    + sensor("kilowatts-told", Total=1.0, Power=0.126, Voltage=230, Current=0.55)
    + "+10s\n? power_w=126 fault=false\n",
    # 2 kW for five hours, called 2 W.
    "slow-watts": PAIR.format("slow-watts")
    + often("10m", 30, lambda n: pair("slow-watts", 2, 100 + n / 3))
    + pair("slow-watts", 2, 110) + "+10s\n? power_w=- suspect~a thousandth\n",
    "watt-hours": PAIR.format("watt-hours") + "config max_w = 1000\n"
    + often("10m", 30, lambda n: pair("watt-hours", 120, 5000 + 20 * n))
    + pair("watt-hours", 120, 5600)
    + '+10s\n? power_w=120 energy_kwh=- suspect~energy_unit = "Wh"\n',
    "one-name": TASMOTA.format("one-name") + often(
        "10s", 12, lambda n: sensor("one-name", Total=f"{100 + n / 2000:.4f}", Power=60) if n % 2 == 0
        else sensor("one-name", Total=f"{5 + n / 2000:.4f}", Power=9))
    + "? energy_kwh=100.005 fault=true suspect~two devices\n",
    "clock": TASMOTA.format("clock") + "".join(
        sensor("clock", Time=f'"{time}"', Total=1.0, Power=watts).replace(
            '{"ENERGY":{"Time"', '{"Time"').replace(f'"{time}",', f'"{time}","ENERGY":{{', 1)
        + f"+10s\n? power_w={watts} energy_kwh=1 fault=false\n"
        for time, watts in (("1970-01-01T00:00:09", 60), ("2099-12-31T23:59:59", 61),
                            ("2026-02-31T25:00:00", 62), ("at noon", 63))),
    "jump": TASMOTA.format("jump") + sensor("jump", Total=6.0, Power=60) + "+10s\n"
    + sensor("jump", Total=1000006.0, Power=60) + "+10s\n? power_w=60 energy_kwh=6\n"
    + sensor("jump", Total=1000006.001, Power=60)
    + "+10s\n? power_w=60 energy_kwh=6.001 suspect~jumped forward\n"
    + sensor("jump", Total=-4, Power=60) + "+10s\n? energy_kwh=6.001 fault=true\n",
    "glitch": TASMOTA.format("glitch") + sensor("glitch", Total=100.0, Power=60) + "+10s\n"
    + sensor("glitch", Total=0.0, Power=60) + "+10s\n? energy_kwh=100\n"
    + sensor("glitch", Total=100.001, Power=60) + "+10s\n? energy_kwh=100.001 fault=false\n",
    "last-week": TASMOTA.format("last-week") + "<r tele/last-week/LWT Online\n"
    + sensor("last-week", Total=90.0, Power=900).replace("< ", "<r ") + "+10s\n? away\n"
    + sensor("last-week", Total=100.0, Power=60) + "+10s\n? power_w=60 energy_kwh=100 fault=false\n",
}


def test_what_meters_say_that_cannot_be_gets_what_is_stated(play):
    wrong = play([Dialogue(name, text) for name, text in METERS.items()]).run()
    assert not wrong, "\n".join(wrong)


def window(begin, end, price=0.3, **more):
    """A window of a tariff."""
    return {"from": begin, "to": end, "price": price} | more


TARIFFS = [
    ({"windows": {"day": window("06:00", "22:00"), "night": window("22:00", "05:00")}},
     'tariff.windows: leave a gap on Monday at 05:00: add a window there, or a price for all other'),
    ({"windows": {"day": window("06:00", "22:00"), "night": window("21:00", "06:00")}},
     'tariff.windows: "day" and "night" overlap on Monday at 21:00: each minute has one price'),
    ({"seasons": {"winter": {"from": "10-01", "to": "04-01", "price": 0.3},
                  "summer": {"from": "04-01", "to": "09-30", "price": 0.2}}},
     'share 04-01: each day is in one of them'),
    ({"seasons": {"winter": {"from": "10-01", "to": "03-30", "price": 0.3}}},
     "tariff.seasons: leave days of the year out"),
    ({"price": "cheap"}, "tariff.price"),
    ({"price": 5000}, "tariff.price"),
    ({"price": 0.3, "windows": {"x": window("25:00", "06:00")}}, "tariff.windows.x.from"),
    ({"price": 0.3, "changes": {"a": {"since": "2026-02-30", "price": 0.4}}},
     'tariff.changes.a.since: ("2026-02-30") must be a date such as "2027-01-01"'),
    ({"price": 0.3, "changes": {"a": {"since": "2026-02-01", "price": 0.4},
                                "b": {"since": "2026-02-01", "price": 0.5}}},
     "is the date of another change as well"),
    ({"price": 0.3, "time_zone": "Europe/Atlantis"}, 'tariff.time_zone: ("Europe/Atlantis") must be the name of a'),
    ({"price": 0.3, "currency": "euro"}, 'tariff.currency: ("euro") must be a currency'),
]


@pytest.mark.parametrize("tariff, text", TARIFFS, ids=lambda one: "")
def test_a_tariff_that_cannot_be_is_refused_with_what_would_be_right(home, tariff, text):
    service = home({"power": {"tariff": {"currency": "EUR"} | tariff}})
    told = " ".join(service.run("check", code=2).split())
    assert text in told
    assert "1 fault in the configuration" in told


def test_one_outlet_in_two_tables_is_refused(home):
    service = home({"power": {"meters": {"a": {"tasmota": "x"}, "b": {"tasmota": "x"}}}})
    assert "is the same meter as [power.meters.a]" in service.run("check", code=2)


def test_the_hour_that_is_not_there_costs_nothing_and_the_one_that_is_twice_costs_twice(calendar):
    """A kWh costs 10 EUR from 2 to 3 at night, and 10 ct else; 100 W all the time."""
    home = calendar(berlin(2025, 3, 29, 12), HOUR, {"power": {"tariff": {
        "currency": "EUR", "time_zone": "Europe/Berlin", "price": 0.1,
        "windows": {"dear": window("02:00", "03:00", 10)}}}})
    home.begin()

    def play(end):
        while home.at < end.timestamp():
            home.go_on({"web": 0.2}, 100, 0)

    def cost(day):
        figures = home.service.get("power/report", period=day)["figures"]
        return figures["energy_kwh"]["value"], figures["cost_eur"]["value"]

    play(berlin(2025, 3, 31, 1))
    assert cost("2025-03-30") == (pytest.approx(2.3, abs=0.01), pytest.approx(0.23, abs=0.006))
    home.pause_until(berlin(2025, 10, 25, 12))
    play(berlin(2025, 10, 27, 1))
    assert cost("2025-10-26") == (pytest.approx(2.5, abs=0.01), pytest.approx(2.23, abs=0.01))


class Busy(Machine):
    """A machine whose processes and control groups come and go."""

    def group(self, name, cores, seconds, begun=0):
        """A service's control group; ``begun`` is what it has used before, s."""
        used = self._used[name] = self._used.get(name, begun * 1e6) + cores * seconds * 1e6
        self.put(f"sys/fs/cgroup/system.slice/{name}.service/cpu.stat", f"usage_usec {used:.0f}\n")
        return used / 1e6

    def process(self, pid, group, ticks, start):
        """A process that has used so many hundredths of a second."""
        self.put(f"proc/{pid}/cgroup", f"0::/system.slice/{group}.service\n")
        self.put(f"proc/{pid}/stat", f"{pid} ({group}d) S 1 1 1 0 -1 0 9 9 9 9 {ticks} 0 0 0 20 "
                                     f"0 1 0 {start} 5 9\n")

    def remove(self, path):
        """Takes a folder away."""
        self.close()
        shutil.rmtree(self.folder / path, ignore_errors=True)

    def total(self, cores, seconds):
        """What the processor says of itself."""
        self.work(seconds, {})
        self._ticks[0] += cores * seconds * 100
        self._ticks[1] -= cores * seconds * 100
        user, idle = self._ticks
        core = f"{user / self.CORES:.0f} 0 0 {idle / self.CORES:.0f} 0 0 0 0 0 0\n"
        self.put("proc/stat", f"cpu  {user:.0f} 0 0 {idle:.0f} 0 0 0 0 0 0\n"
                 + "".join(f"cpu{n} {core}" for n in range(self.CORES))
                 + "procs_running 1\nprocs_blocked 0\n")


def test_processes_that_vanish_and_groups_that_come_and_go_cost_what_they_used(home, tmp_path):
    machine = Busy(tmp_path / "host")
    start = berlin(2025, 5, 5, 12)
    leap = Leap(tmp_path, start)
    service = home({
        "host": machine.config(), "node": {"interval": "10s"},
        "collect": {name: {"enabled": False} for name in OTHERS},
        "power": {"host": {"idle_w": 20, "max_w": 100}, "processes": {"top": 10}},
    }, leap.environment)
    at = start.timestamp() + 5
    seen = []

    def step(cores):
        """Ten seconds in which the machine uses so many cores, as its files say by now."""
        nonlocal at
        machine.total(sum(cores.values()), 10)
        at += 10
        leap.to(at)
        told = service.get("power/services", period="day")
        parts = [told["idle"], told["other"], *told["items"]]
        assert all(part.get("power_w", 0) >= 0 and part["energy_kwh"] >= 0 for part in parts), told
        if told["host"].get("power_w"):
            assert sum(part.get("power_w", 0) for part in parts) == pytest.approx(
                told["host"]["power_w"], abs=0.2), told
        seen.append({item["service"]: item for item in told["items"]})

    # A service that has used weeks of the processor, and one of many processes that end at once.
    machine.group("old", 0, 0, begun=1e6)
    machine.process(4242, "old", 100_000_000, 700)
    machine.total(0, 10)
    service.start()
    for n in range(1, 7):
        machine.group("old", 1, 10)
        machine.process(4242, "old", 100_000_000 + 1000 * n, 700)
        step({"old": 1})
    steady = seen[-1]["old"]["power_w"]
    assert steady > 5
    # It ends, and another one gets its number at once, with a fraction of its time; beside it
    # there is what is no process any more, or never was.
    machine.remove("sys/fs/cgroup/system.slice/old.service")
    machine.remove("proc/4242")
    for pid, text in {4300: "", 4301: "4301 (half", 4302: "no figures at all\n"}.items():
        machine.put(f"proc/{pid}/stat", text)
    (machine.folder / "proc/4303").mkdir()
    (machine.folder / "proc/99999999999999999999").mkdir()
    for n in range(1, 7):
        machine.group("new", 1, 10)
        machine.process(4242, "new", 1000 * n, 90_000)
        step({"new": 1})
    assert seen[-1]["new"]["power_w"] == pytest.approx(steady, rel=0.1)
    processes = service.get("power/processes")["items"]
    new = next(one for one in processes if one["process"] == "newd")
    # A minute at 20 W; what the old one had used in its life would be a thousand times as much.
    assert 0 < new["energy_kwh"] <= 1.5 * steady / 1000 / 60
    # The old one comes back and counts from zero, then its counter goes on.
    before = seen[-1].get("old", {}).get("energy_kwh", 0)
    machine.remove("sys/fs/cgroup/system.slice/new.service")
    machine.remove("proc/4242")
    machine._used["old"] = 0
    for n in range(1, 7):
        machine.group("old", 1, 10)
        machine.process(4500, "old", 1000 * n, 99_000)
        step({"old": 1})
    assert seen[-1]["old"]["power_w"] == pytest.approx(steady, rel=0.1)
    assert seen[-1]["old"]["energy_kwh"] - before == pytest.approx(steady / 1000 / 60, rel=0.35)
    # A counter that says nonsense for once is nobody's energy.
    for text in ("usage_usec 99999999999999999999999\n", "usage_usec -5\n", "", "nothing\n"):
        machine.put("sys/fs/cgroup/system.slice/old.service/cpu.stat", text)
        step({"old": 1})
    for _ in range(3):
        machine.group("old", 1, 10)
        step({"old": 1})
    total = service.get("power/services", period="day")
    assert total["host"]["energy_kwh"] < 100 * 30 / 3.6e6 * 10, "no more than it can draw"
    parts = [total["idle"], total["other"], *total["items"]]
    assert sum(part["energy_kwh"] for part in parts) == pytest.approx(
        total["host"]["energy_kwh"], rel=1e-3, abs=2e-4)
    machine.close()
