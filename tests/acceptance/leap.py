"""Days, months and years on the built program: its clocks leap over the time in which it has
nothing to do (`leap.c`), while the machine it watches and its plugs are played step by step."""

import datetime
import json
import mmap
import os
import pathlib
import struct
import subprocess
import time
import zoneinfo

from harness import PATIENCE

SOURCE = pathlib.Path(__file__).with_name("leap.c")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
LEAPT, WALL, LIMIT, RESTS = range(4)
NS = 10**9


def berlin(*when):
    """A moment by the clock in Berlin."""
    return datetime.datetime(*when, tzinfo=BERLIN)


class Leap:
    """The clocks of a program that is started with ``environment``."""

    def __init__(self, folder, start):
        library = folder / "leap.so"
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-o", library, SOURCE,
                        "-ldl"], check=True)
        path = folder / "leap"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.environment = {"LD_PRELOAD": str(library), "LEAP_FILE": str(path)}
        self._put(WALL, int(start.timestamp() * NS) - time.time_ns())

    def _get(self, place):
        return struct.unpack_from("q", self._map, place * 8)[0]

    def _put(self, place, value):
        struct.pack_into("q", self._map, place * 8, value)

    def now(self):
        """Its wall clock, s since 1970."""
        return (time.time_ns() + self._get(LEAPT) + self._get(WALL)) / NS

    def to(self, moment):
        """Goes on to ``moment`` (s since 1970), and until all is done that is to be done then."""
        end = time.monotonic() + PATIENCE
        self._put(LIMIT, int(moment * NS))

        def wait(done):
            while not done():
                assert time.monotonic() < end, "the clocks stand still"
                time.sleep(0.0002)

        wait(lambda: self.now() >= moment)
        rests = self._get(RESTS)
        wait(lambda: self._get(RESTS) >= rests + 2)

    def skip_to(self, moment):
        """The same while the program does not run."""
        self._put(LEAPT, self._get(LEAPT) + int((moment - self.now()) * NS))


class Machine:
    """A machine of four cores that works as it is told, in services of one process each."""

    CORES = 4

    def __init__(self, folder):
        self.folder = folder
        self._files, self._used, self._ticks = {}, {}, [0.0, 0.0]
        self.put("sys/fs/cgroup/cgroup.controllers", "cpu io\n")
        self.put("root/etc/os-release", "NAME=Debian\n")
        self.work(60, {})

    def config(self):
        """The table ``host`` for the configuration."""
        return {part: str(self.folder / part) for part in ("proc", "sys", "root")}

    def put(self, path, text):
        """Writes a file, in one step."""
        file = self._files.get(path)
        if file is None:
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            file = self._files[path] = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
        data = str(text).encode()
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))

    def work(self, seconds, services):
        """``seconds`` pass in which each of ``services`` keeps so many cores busy; returns how
        many are."""
        for number, (name, cores) in enumerate(services.items()):
            used = self._used[name] = self._used.get(name, 0) + cores * seconds * 1e6
            group = f"system.slice/{name}.service"
            self.put(f"sys/fs/cgroup/{group}/cpu.stat", f"usage_usec {used:.0f}\n")
            self.put(f"proc/{4000 + number}/cgroup", f"0::/{group}\n")
            self.put(f"proc/{4000 + number}/stat",
                     f"{4000 + number} ({name}d) S 1 1 1 0 -1 0 9 9 9 9 {used / 1e4:.0f} 0 0 0 20 "
                     "0 1 0 700 5 9\n")
        busy = sum(services.values())
        self._ticks[0] += busy * seconds * 100
        self._ticks[1] += (self.CORES - busy) * seconds * 100
        user, idle = self._ticks
        core = f"{user / self.CORES:.0f} 0 0 {idle / self.CORES:.0f} 0 0 0 0 0 0\n"
        self.put("proc/stat", f"cpu  {user:.0f} 0 0 {idle:.0f} 0 0 0 0 0 0\n"
                 + "".join(f"cpu{n} {core}" for n in range(self.CORES))
                 + "procs_running 1\nprocs_blocked 0\n")
        return busy

    def close(self):
        """Closes its files."""
        for file in self._files.values():
            os.close(file)
        self._files = {}


class Plug:
    """A plug with a counter of its own; ``tell`` has it speak."""

    def __init__(self, topic, kwh=100.0):
        self.topic, self.kwh, self.watts = topic, kwh, 0.0

    def config(self, feeds):
        """Its table below ``power.meters``."""
        return {"mqtt": self.topic, "power": "/w", "energy": "/kwh", "energy_unit": "kWh",
                "feeds": feeds}

    def draw(self, watts, seconds):
        """So much is drawn for so long."""
        self.watts = watts
        self.kwh += watts * seconds / 3.6e6

    def tell(self, mqtt):
        """Says what it draws and has counted."""
        told = json.dumps({"w": round(self.watts, 2), "kwh": round(self.kwh, 5)})
        mqtt.client.publish(self.topic, told, qos=0).wait_for_publish(PATIENCE)
