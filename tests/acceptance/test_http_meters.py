"""Meters that are asked by HTTP: what they answer, well and badly, and what is told of them then."""

import gzip
import http.server
import json
import socket
import struct
import threading
import time

import pytest
from harness import until
from leap import OTHERS, Machine

# As these devices answer.
P1 = {"wifi_ssid": "home", "wifi_strength": 100, "smr_version": 50, "meter_model": "ISKRA 2M550T",
      "unique_id": "00", "active_tariff": 2, "total_power_import_kwh": 18664.997,
      "total_power_import_t1_kwh": 10909.724, "total_power_import_t2_kwh": 7755.273,
      "total_power_export_kwh": 13823.608, "total_power_export_t1_kwh": 9243.584,
      "total_power_export_t2_kwh": 4580.024, "active_power_w": -543, "active_power_l1_w": -676,
      "active_power_l2_w": 133, "active_power_l3_w": 0, "active_current_l1_a": -4,
      "total_gas_m3": 5175.363, "gas_timestamp": 241106093006, "external": []}
SOCKET = {"wifi_ssid": "home", "wifi_strength": 94, "total_power_import_kwh": 30.511,
          "total_power_import_t1_kwh": 30.511, "total_power_export_kwh": 0,
          "total_power_export_t1_kwh": 0, "active_power_w": 43.312, "active_power_l1_w": 43.312,
          "active_voltage_v": 231.539, "active_current_a": 0.246,
          "active_reactive_power_var": 22.1, "active_apparent_power_va": 56.9,
          "active_power_factor": 0.761, "active_frequency_hz": 50.005}
# The first firmware of a socket, which tells by tariff only, and nothing of volts.
OLD = {"wifi_ssid": "home", "wifi_strength": 70, "total_power_import_t1_kwh": 12.5,
       "total_power_export_t1_kwh": 0, "active_power_w": 11, "active_power_l1_w": 11}
SHELLY = {"ble": {}, "switch:0": {"id": 0, "source": "init", "output": True, "apower": 61.4,
                                  "voltage": 232.0, "current": 0.341,
                                  "aenergy": {"total": 5126.4, "by_minute": [0, 0, 0],
                                              "minute_ts": 1767323100}},
          "sys": {"mac": "A8032AB1C2D3", "uptime": 9}}
TASMOTA = {"StatusSNS": {"Time": "2026-01-02T03:04:25", "ENERGY": {
    "Total": 6.294, "Yesterday": 5.34, "Today": 0.954, "Power": 63, "ApparentPower": 80,
    "Factor": 0.79, "Voltage": 231, "Current": 0.346}}}
ANSWERS = {
    "/p1/api/v1/data": P1, "/kwh/api/v1/data": SOCKET, "/old/api/v1/data": OLD,
    "/query?select=[Server_rack.watts]&begin=s-10s&end=s&group=all": [[123.4]],
    "/rpc/Shelly.GetStatus": SHELLY, "/cm?cmnd=Status%208": TASMOTA}


class Devices:
    """All of the devices behind one port; ``ways`` says how each path answers instead."""

    def __init__(self):
        devices = self
        self.ways, self.asked = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                devices.asked.append(self.path)
                way = devices.ways.get(self.path, well)
                way(self, json.dumps(ANSWERS.get(self.path)).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


def well(request, body, code=200, **headers):
    """As it should be."""
    request.send_response(code)
    for key, value in ({"Content-Type": "application/json"} | headers).items():
        request.send_header(key.replace("_", "-"), value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def status(code, **headers):
    """Answers with a status."""
    return lambda request, _: well(request, b"{}", code, **headers)


def saying(body, **headers):
    """Answers with something else."""
    return lambda request, _: well(request, body, **headers)


def in_pieces(request, body):
    """Chunked, a few bytes each."""
    request.protocol_version = "HTTP/1.1"
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    for start in range(0, len(body), 7):
        piece = body[start:start + 7]
        request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    request.wfile.write(b"0\r\n\r\n")


def until_the_end(request, body):
    """Without a length, as the smallest servers do: the end of the connection is that of the answer."""
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)


def slowly(request, body):
    """Within seconds, a byte now and then."""
    time.sleep(2)
    until_the_end(request, body)


HANGS = threading.Event()


def never(*_):
    """It hangs until somebody pulls its plug."""
    HANGS.wait(120)


def reset(request, _):
    """The connection is reset."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def flood(request, _):
    """More than anybody could mean."""
    request.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"9" * 3_000_000)


@pytest.fixture
def devices():
    """Every device, answering well."""
    one = Devices()
    yield one
    one.close()


def configured(home, tmp_path, url):
    """A service that asks each of them every second."""
    every = {"interval": "1s", "silent_after": "10s"}
    meters = {
        "p1": {"homewizard": f"{url}/p1", "feeds": "house"},
        "kwh": {"homewizard": f"{url}/kwh/"},
        "old": {"homewizard": f"{url}/old"},
        "rack": {"iotawatt": url, "power": "Server_rack"},
        "shelly": {"http": f"{url}/rpc/Shelly.GetStatus", "power": "/switch:0/apower",
                   "energy": "/switch:0/aenergy/total", "energy_unit": "Wh",
                   "voltage": "/switch:0/voltage"},
        "tasmota": {"http": f"{url}/cm?cmnd=Status%208", "power": "/StatusSNS/ENERGY/Power",
                    "energy": "{{ value_json.StatusSNS.ENERGY.Total }}"}}
    return home({
        "host": Machine(tmp_path / "host").config(),
        "collect": {name: {"enabled": False} for name in OTHERS},
        "power": {"meters": {name: meter | every for name, meter in meters.items()}}})


WELL = {
    "p1": {"power_w": -543, "energy_kwh": 18664.997, "returned_kwh": 13823.608},
    "kwh": {"power_w": 43.312, "energy_kwh": 30.511, "voltage_v": 231.539, "current_a": 0.246,
            "power_factor": 0.761, "frequency_hz": 50.005, "apparent_va": 56.9},
    "old": {"power_w": 11, "energy_kwh": 12.5},
    "rack": {"power_w": 123.4},
    "shelly": {"power_w": 61.4, "energy_kwh": 5.1264, "voltage_v": 232},
    "tasmota": {"power_w": 63, "energy_kwh": 6.294}}
# What goes wrong with each, and how that is told.
BADLY = {
    "p1": ("/p1/api/v1/data", status(403), "answers with status 403; switch its local API on"),
    "kwh": ("/kwh/api/v1/data", status(404), "answers with status 404"),
    "old": ("/old/api/v1/data", status(302, Location="http://127.0.0.1/elsewhere"),
            "answers with status 302"),
    "rack": ("/query?select=[Server_rack.watts]&begin=s-10s&end=s&group=all", reset, ""),
    "shelly": ("/rpc/Shelly.GetStatus", flood, ""),
    "tasmota": ("/cm?cmnd=Status%208", never, "")}


def is_well(mqtt, name, after=0):
    """Waits until the meter says what its device does."""
    told = WELL[name]
    mqtt.wait(f"homewatch/box/power/meter-{name}",
              lambda m: all(m.json.get(key) == value for key, value in told.items()), after)


def test_each_is_asked_away_when_it_fails_and_back_again(home, devices, tmp_path):
    service = configured(home, tmp_path, devices.url).start()
    mqtt = service.mqtt("homewatch/box/power/#")
    for name in WELL:
        is_well(mqtt, name)
    before = len(mqtt.messages)
    for path, way, _ in BADLY.values():
        devices.ways[path] = way
    for name, (_, _, text) in BADLY.items():
        mqtt.wait(f"homewatch/box/power/meter-{name}/availability", lambda m: m.text == "offline",
                  before)
        told = mqtt.wait("homewatch/box/power/meters",
                         lambda m, name=name: m.json["meters"][name].startswith("silent for"),
                         before)
        assert text in told.json["meters"][name]
    told = mqtt.wait("homewatch/box/power/meters", lambda m: m.json["silent_count"] == len(WELL),
                     before)
    for name, text in told.json["meters"].items():
        assert ": " in text or name == "tasmota", "each with its reason, but for one that hangs"
    assert "switch its local API on" in " ".join(service.run("doctor", code=1).split())
    assert service.api().get("/healthz").status_code == 200
    # Back again, each in another way of the protocol.
    HANGS.set()
    before = len(mqtt.messages)
    ways = [well, in_pieces, until_the_end, slowly, in_pieces, until_the_end]
    for (path, _, _), way in zip(BADLY.values(), ways):
        devices.ways[path] = way
    for name in WELL:
        is_well(mqtt, name, before)
        mqtt.wait(f"homewatch/box/power/meter-{name}/availability",
                  lambda m: m.text == "online", before)


GARBAGE = [
    (b"<html><body>Login</body></html>", {"Content_Type": "text/html"}),
    (b"", {}), (b"null", {}), (b"[]", {}), (b'{"active_power_w":', {}), (b"\xff\xfe{}", {}),
    (b"[" * 100_000, {}),
    # Nobody has asked for it.
    (gzip.compress(json.dumps(P1).encode()), {"Content_Encoding": "gzip"})]


def test_garbage_is_no_figure(home, devices, tmp_path):
    service = configured(home, tmp_path, devices.url).start()
    mqtt = service.mqtt("homewatch/box/power/#")
    is_well(mqtt, "p1")
    path = BADLY["p1"][0]
    left = iter(GARBAGE)

    def one_after_the_other(request, good):
        body, headers = next(left, (good, {}))
        well(request, body, **headers)

    before = len(mqtt.messages)
    devices.ways[path] = one_after_the_other
    mqtt.wait("homewatch/box/power/meter-p1", lambda m: m.json["fault"], before)
    until(lambda: devices.asked.count(path) > len(GARBAGE) + 1, "the last of it")
    mqtt.wait("homewatch/box/power/meters", lambda m: m.json["meters"]["p1"] == "fine",
              len(mqtt.messages))
    doubts = [m.json for m in mqtt.heard("homewatch/box/power/meter-p1") if m.json["fault"]]
    assert doubts and all("cannot be read" in told["suspect"] for told in doubts)
    assert all(message.json["power_w"] == -543
               for message in mqtt.heard("homewatch/box/power/meter-p1"))
