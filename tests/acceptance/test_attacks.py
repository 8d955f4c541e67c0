"""What strangers, broken clients and full disks do to it: nothing that others would notice."""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess

import pytest
from harness import Mqtt, until


def length(number):
    """MQTT's remaining length."""
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def packet(kind, body):
    """An MQTT packet."""
    return bytes([kind]) + length(len(body)) + body


def text(value):
    """MQTT's text with its length."""
    return struct.pack(">H", len(value)) + value


CONNECT = packet(0x10, text(b"MQTT") + b"\x04\x02\x00\x3c" + text(b"stranger"))
BROKEN = {
    "nothing but zeroes": bytes(64),
    "noise": bytes(range(256)) * 8,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "an endless length": b"\x10\xff\xff\xff\xff\xff",
    "a huge length": b"\x10" + length(268_435_455) + bytes(1000),
    "another protocol": packet(0x10, text(b"MQIsdp") + b"\x09\x02\x00\x3c" + text(b"x")),
    "no connect first": packet(0x30, text(b"homewatch/box/status") + b"offline"),
    "connecting twice": CONNECT + CONNECT,
    "a wildcard in a publication": CONNECT + packet(0x30, text(b"homewatch/#") + b"x"),
    "an empty topic": CONNECT + packet(0x30, text(b"") + b"x"),
    "no UTF-8": CONNECT + packet(0x30, text(b"\xff\xfe") + b"x"),
    "QoS 3": CONNECT + packet(0x36, text(b"a") + b"\x00\x01x"),
    "a topic longer than its packet": CONNECT + packet(0x30, b"\xff\xffabc"),
    "no filters": CONNECT + packet(0x82, b"\x00\x01"),
    "a broken filter": CONNECT + packet(0x82, b"\x00\x01" + text(b"a/#/b") + b"\x01"),
    "a reserved kind": CONNECT + packet(0xF0, b""),
    "an answer that nobody asked for": CONNECT + packet(0x40, b"\x12\x34"),
    "half a packet": CONNECT + b"\x30\x7f\x00",
}


def still_serves(service):
    """Whether a newcomer gets an answer to a command and hears of the state."""
    mqtt = Mqtt(service.mqtt_port, "homewatch/box/#")
    try:
        mqtt.wait("homewatch/box/status", lambda m: m.text == "online")
        assert mqtt.command("alert/nothing/ack")["ok"] is False
    finally:
        mqtt.close()


@pytest.mark.parametrize("name", BROKEN)
def test_broken_packets_harm_nobody_else(desktop, name):
    bystander = desktop.mqtt("homewatch/box/#")
    with socket.create_connection(("127.0.0.1", desktop.mqtt_port), 60) as stranger:
        with contextlib.suppress(OSError):
            stranger.sendall(BROKEN[name])
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65536):
                pass
    still_serves(desktop)
    assert bystander.connected
    bystander.wait("homewatch/box/status", lambda m: m.text == "online")


def test_a_payload_that_is_too_large_is_not_spread(desktop):
    bystander = desktop.mqtt("big")
    with socket.create_connection(("127.0.0.1", desktop.mqtt_port), 60) as stranger:
        with contextlib.suppress(OSError):
            stranger.sendall(CONNECT + packet(0x30, text(b"big") + b"x" * 1_000_000))
            while stranger.recv(65536):
                pass
    still_serves(desktop)
    assert not bystander.messages


def test_nobody_may_speak_in_our_name(desktop):
    """What homewatch says of itself cannot be overwritten by clients."""
    with contextlib.suppress(AssertionError, RuntimeError):
        liar = Mqtt(desktop.mqtt_port, "none")
        liar.publish("homewatch/box/status", "offline", retain=True)
        liar.close()
    late = desktop.mqtt("homewatch/box/status")
    assert late.wait("homewatch/box/status").text == "online"


def test_a_thousand_connections_leave_room_for_those_who_were_there(home):
    service = home().start()
    old = service.mqtt("homewatch/box/#")
    crowd = []
    try:
        for _ in range(1000):
            with contextlib.suppress(OSError):
                crowd.append(socket.create_connection(("127.0.0.1", service.mqtt_port), 60))
        before = len(old.messages)
        old.wait("homewatch/box/health/+", after=before)
        assert old.command("alert/nothing/ack")["ok"] is False
        assert service.get("summary")
    finally:
        for stranger in crowd:
            stranger.close()

    def newcomer():
        mqtt = Mqtt(service.mqtt_port, "homewatch/box/status", connect=False)
        try:
            mqtt.wait_for(lambda: mqtt.messages, "the status", timeout=2)
            return True
        except AssertionError:
            return False
        finally:
            mqtt.close()

    until(newcomer, "room for newcomers")


def test_a_reader_that_does_not_read_keeps_nobody_waiting(home):
    service = home().start()
    others = service.mqtt("flood/#")
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", service.mqtt_port))
        lazy.sendall(CONNECT + packet(0x82, b"\x00\x01" + text(b"#") + b"\x01"))
        writer = service.mqtt("none")
        for number in range(500):
            writer.publish(f"flood/{number % 10}", bytes(10_000))
        others.wait("flood/9")
        still_serves(service)


# Users and rights

USERS = {"mqtt": {"embedded": {"users": {
    "reader": {"password": "r", "read": ["homewatch/+/health/#", "homewatch/+/status"]},
    "phone": {"password": "p", "commands": True},
    "plug": {"password": "s", "read": ["plugs/#"], "publish": ["plugs/#"]},
}}}}


def test_users_may_do_what_the_configuration_says_and_no_more(home):
    service = home(USERS).start()
    assert Mqtt(service.mqtt_port).refused, "nobody without a name"
    assert Mqtt(service.mqtt_port, username="reader", password="x").refused
    assert Mqtt(service.mqtt_port, username="ghost", password="r").refused

    phone = service.mqtt("homewatch/#", "plugs/#", username="phone", password="p")
    assert phone.command("alert/nothing/ack")["ok"] is False
    reader = service.mqtt("homewatch/box/health/#", "homewatch/box/result", username="reader",
                          password="r")
    reader.wait("homewatch/box/health/cpu")
    plug = service.mqtt("plugs/#", username="plug", password="s")
    plug.publish("plugs/1", "on")
    phone.wait("plugs/1")

    for client in (reader, plug):
        with contextlib.suppress(AssertionError, RuntimeError):
            client.publish("homewatch/box/cmd/rule/temperature_high/silence", '{"for":"1h"}')
    assert phone.command("alert/nothing/ack")["ok"] is False
    results = [m.json["command"] for m in phone.heard("homewatch/box/result")]
    assert results == ["alert/nothing/ack"] * 2, "no command of those who may not"
    assert not reader.heard("homewatch/box/result") and not plug.heard("homewatch/#")


def test_a_password_may_stand_in_a_file(home):
    service = home()
    secret = service.folder / "secret"
    secret.write_text("from-a-file\n")
    service.configure({"mqtt": {"embedded": {"users": {
        "phone": {"password_file": str(secret), "commands": True}}}}})
    service.start()
    phone = service.mqtt("homewatch/box/#", username="phone", password="from-a-file")
    phone.wait("homewatch/box/status")
    assert "from-a-file" not in service.log() + service.banner()


# A disk that is full

@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of its own of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk that this test fills")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Leaves no free byte on the folder's disk."""
    ballast = folder / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def test_on_a_full_disk_the_watching_goes_on_and_nothing_is_damaged(home, host, small_disk):
    service = home({"data_dir": str(small_disk / "data"), "host": host.config("sys"),
                    "rules": {"temperature_high": {"for": "0s", "clear_for": "0s"}}}).start()
    mqtt = service.mqtt("homewatch/box/#")
    service.token()
    series = "health/temp-coretemp-package-id-0/temperature_c"
    until(lambda: series in service.series(), "the first figures")
    host.processor(59)

    def values():
        answer = service.get("history", series=series, **{"from": "-1h"})
        return [value for _, value in answer["series"][0]["points"]]

    until(lambda: 59 in values(), "59 °C in the history")

    ballast = fill(small_disk)
    host.processor(97)
    mqtt.wait("homewatch/box/alert/+", lambda m: m.payload and m.json["state"] == "firing")
    host.processor(61)
    mqtt.wait("homewatch/box/health/temp-coretemp-package-id-0",
              lambda m: m.json["temperature_c"] == 61)
    service.crash()
    ballast.unlink()
    service.start()
    assert 59 in values(), "what was committed before is there"


def test_a_store_that_finds_no_room_is_told_and_leaves_nothing_behind(home, small_disk):
    ballast = fill(small_disk)
    service = home({"data_dir": str(small_disk / "data")})
    text = service.run("run", code=1)
    assert str(small_disk) in text and "space" in text.lower(), text
    ballast.unlink()
    service.start()
    assert service.get("summary")


def test_a_folder_that_cannot_be_written_is_told(home):
    service = home({"data_dir": "/proc/nothing"})
    assert "/proc/nothing" in service.run("run", code=1)
    assert not pathlib.Path("/proc/nothing").exists()
