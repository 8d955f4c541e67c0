"""The guided calibration, as its user sees it: what it refuses, and a whole run beside a plug."""

import json
import re
import subprocess
import threading
import time

from harness import BINARY

PLUG = {"tasmota": "plug", "feeds": "host", "label": "Plug", "silent_after": "10s"}


def calibrate(service, *arguments, code=0):
    return service.run("power", "calibrate", *arguments, code=code)


def test_it_says_plainly_why_it_does_not_begin(home):
    service = home()
    assert "does not run" in calibrate(service, code=1)
    service.start()
    told = calibrate(service, code=1)
    assert "no meter measures this machine" in told and "doctor" in told


class Bench:
    """A machine that is as busy as it is told to be, on a plug that says what that costs."""

    def __init__(self, machine, client):
        self.machine, self.client = machine, client
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
            if not self.plugged:
                continue
            watts = 20 + 0.5 * self.load
            energy = {"Total": 5.0, "Power": watts, "Voltage": 230, "Current": watts / 230}
            self.client.publish("tele/plug/SENSOR", json.dumps({"ENERGY": energy}))


def test_five_loads_beside_a_plug_teach_the_model(home, host):
    config = {"host": host.config(), "power": {"meters": {"plug": PLUG}}}
    service = home(config).start()
    client = service.mqtt("homewatch/box/power/host")
    client.wait_until_ready()
    bench = Bench(host, client)
    bench.thread.start()
    client.wait("homewatch/box/power/host", lambda message: message.json.get("source") == "meter")

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

    # The plug is taken away: what was learnt stands in.
    bench.load = 60
    time.sleep(1)
    bench.plugged = False
    client.publish("tele/plug/LWT", "Offline")
    alone = client.wait("homewatch/box/power/host",
                       lambda message: message.json.get("source") == "calibrated").json
    assert alone["power_low_w"] < alone["power_w"] < alone["power_high_w"]
    assert alone["calibration"]["max_w"] == most
    bench.ends.set()
    # From afar it is not to be had.
    answer = service.api().post("/api/v1/control/power/calibrate", json={})
    assert "on the machine itself" in answer.text, answer.text
