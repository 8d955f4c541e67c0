"""The guided calibration, as its user sees it: what it refuses, and a whole run beside a plug."""

import json
import re
import subprocess
import threading
import time

import pytest
from harness import BINARY, until


def calibrate(service, *arguments, code=0):
    return service.run("power", "calibrate", *arguments, code=code)


def test_it_says_plainly_why_it_does_not_begin(home):
    service = home()
    assert "does not run" in calibrate(service, code=1)
    service.start()
    told = calibrate(service, code=1)
    assert "no meter measures this machine" in told and "doctor" in told


class Tasmota:
    """Speaks as a Tasmota plug does: everything in one message now and then."""

    line = 'power.meters.plug = { tasmota = "plug" }'
    will = ("tele/plug/LWT", "Offline")

    def __init__(self, client):
        self.client = client
        client.publish("tele/plug/LWT", "Online", retain=True)

    def say(self, watts, kwh):
        energy = {"Total": round(kwh, 3), "Power": round(watts), "Voltage": 230,
                  "Current": round(watts / 230, 3)}
        said = {"Time": "2018-02-15T17:37:10", "ENERGY": energy}
        self.client.publish("tele/plug/SENSOR", json.dumps(said))


class Shelly:
    """Speaks as a plug of the second generation does: all it has once, then what changes."""

    line = 'power.meters.shellyplusplugs-a8032ab1c2d3 = { shelly = "shellyplusplugs-a8032ab1c2d3" }'
    will = ("shellyplusplugs-a8032ab1c2d3/online", "false")

    def __init__(self, client):
        self.client, self.told = client, 0
        client.publish("shellyplusplugs-a8032ab1c2d3/online", "true", retain=True)

    def say(self, watts, kwh):
        prefix = "shellyplusplugs-a8032ab1c2d3"
        state = {"id": 0, "apower": round(watts, 1), "current": round(watts / 230, 3),
                 "aenergy": {"total": round(kwh * 1000, 3), "minute_ts": 1767323040}}
        if self.told % 10 == 0:
            whole = state | {"source": "init", "output": True, "voltage": 230.0}
            self.client.publish(f"{prefix}/status/switch:0", json.dumps(whole))
        else:
            event = {"src": prefix, "dst": f"{prefix}/events", "method": "NotifyStatus",
                     "params": {"ts": 1767323051.27, "switch:0": state}}
            self.client.publish(f"{prefix}/events/rpc", json.dumps(event))
        self.told += 1


class Bench:
    """A machine that is as busy as it is told to be, on a plug that says what that costs."""

    def __init__(self, machine, plug):
        self.machine, self.plug, self.kwh = machine, plug, 5.0
        self.load, self.busy, self.idle = 0, 1000, 1000
        self.plugged = True
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self):
        while not self.ends.wait(0.6):
            self.busy += self.load
            self.idle += 100 - self.load
            self.machine.write("proc/stat", f"cpu  {self.busy} 0 0 {self.idle} 0 0 0 0 0 0\n"
                               f"cpu0 {self.busy} 0 0 {self.idle} 0 0 0 0 0 0\nbtime 1")
            if self.plugged:
                watts = 20 + 0.5 * self.load
                self.kwh += watts * 0.6 / 3.6e6
                self.plug.say(watts, self.kwh)


@pytest.mark.parametrize("kind", [Tasmota, Shelly])
def test_a_plug_is_adopted_teaches_the_model_and_is_taken_away(home, host, kind):
    service = home({"host": host.config()}).start()
    client = service.mqtt("homewatch/box/power/host")
    client.wait_until_ready()
    plug = kind(client)
    bench = Bench(host, plug)
    bench.thread.start()

    # It is offered as one line, which is taken over with what hangs on it.
    told = until(lambda: (text := service.run("doctor")) and kind.line in text and text,
                 "the offer", every=0.5)
    assert "a meter is heard that is not watched" in told, told
    conf = service.folder / "conf.d"
    conf.mkdir()
    more = 'feeds = "host", label = "Plug", silent_after = "10s" }'
    (conf / "plug.toml").write_text(kind.line.replace(" }", ", ") + more + "\n")
    service.reload()
    client.wait("homewatch/box/power/host", lambda message: message.json.get("source") == "meter")
    assert kind.line not in service.run("doctor")

    command = [BINARY, "--config", service.file, "power", "calibrate", "--seconds-per-point", "2"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           env=service._env())
    told = ""
    for line in run.stdout:
        told += line
        if load := re.search(r"point \d of 5: (\d+) % load", line):
            bench.load = int(load[1])
    assert run.wait() == 0, told
    assert "beside Plug" in told and "from now on" in told, told
    idle, most = map(float, re.search(r"idle ([\d.]+) W, full load ([\d.]+) W", told).groups())
    assert abs(idle - 20) < 2 and abs(most - 70) < 3, told

    # The plug is taken away: what was learnt stands in, and the truth is in its band.
    bench.load = 60
    time.sleep(2)
    bench.plugged = False
    client.publish(*kind.will, retain=True)
    alone = client.wait("homewatch/box/power/host", lambda message:
                        message.json.get("source") == "calibrated"
                        and message.json["power_low_w"] < 50 < message.json["power_high_w"]).json
    assert alone["power_high_w"] - alone["power_low_w"] < 0.3 * alone["power_w"], alone
    assert alone["calibration"]["max_w"] == most
    bench.ends.set()


def test_a_calibration_is_not_to_be_had_from_afar(home):
    service = home().start()
    answer = service.api().post("/api/v1/control/power/calibrate", json={})
    assert "on the machine itself" in answer.text, answer.text
