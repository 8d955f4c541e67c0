"""The first start: with no configuration at all it watches this machine and says where all is."""

import re
import signal
import subprocess

from harness import BINARY, Mqtt, free_port, until

import httpx


def start_bare(service, **environment):
    """Starts it as a newcomer does, without any file; only the ports are not the usual ones, so
    that tests can run beside a real homewatch."""
    service.file.unlink()
    env = service._env() | environment | {
        "HOMEWATCH__MQTT__EMBEDDED__LISTEN": f"127.0.0.1:{service.mqtt_port}",
        "HOMEWATCH__API__LISTEN": f"127.0.0.1:{service.api_port}",
    }
    with service.log_file.open("ab") as log, service.banner_file.open("wb") as banner:
        service.process = subprocess.Popen(
            [BINARY], cwd=service.folder, env=env, stdin=subprocess.DEVNULL, stdout=banner,
            stderr=log)
    until(service._is_ready, "the start of homewatch")
    return env


def test_it_tells_where_mqtt_rest_and_the_store_are_and_how_to_get_a_token(home):
    service = home()
    env = start_bare(service)
    banner = until(lambda: "token add" in service.banner() and service.banner(), "the banner")
    assert f"127.0.0.1:{service.mqtt_port}" in banner
    assert f"http://127.0.0.1:{service.api_port}" in banner
    assert (service.folder / "data").exists() and "data" in banner

    # The commands of the banner work as they stand there.
    command = next(line.split("Token", 1)[1].strip() for line in banner.splitlines()
                   if "token add" in line)
    shown = subprocess.run(command, shell=True, cwd=service.folder, env=env, text=True,
                           capture_output=True, check=True)
    token = shown.stdout.splitlines()[0]
    answer = httpx.get(f"{service.url}/api/v1/summary",
                       headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200 and answer.json()["verdict"]
    line = next(line.strip() for line in banner.splitlines() if "mosquitto_sub" in line)
    heard = subprocess.run(f"{line} -C 3", shell=True, text=True, capture_output=True, timeout=60)
    assert len(heard.stdout.splitlines()) == 3 and "homewatch/" in heard.stdout
    service.stop()


def test_it_watches_this_very_machine(home):
    service = home()
    start_bare(service)
    mqtt = service.mqtt("homewatch/+/health/memory")
    memory = mqtt.wait("homewatch/+/health/memory").json
    with open("/proc/meminfo") as meminfo:
        total = int(re.search(r"MemTotal:\s+(\d+) kB", meminfo.read())[1]) * 1024
    assert memory["total_bytes"] == total
    assert 0 < memory["used_bytes"] < total


def test_the_data_goes_where_the_system_wants_it(home):
    service = home()
    start_bare(service, XDG_STATE_HOME=str(service.folder / "state"))
    service.stop()
    assert any((service.folder / "state/homewatch").iterdir())

    other = home()
    start_bare(other, STATE_DIRECTORY=str(other.folder / "systemd"),
               XDG_STATE_HOME=str(other.folder / "state"))
    other.stop()
    assert any((other.folder / "systemd").iterdir())
    assert not (other.folder / "state").exists()


def test_ctrl_c_ends_it_as_well_as_sigterm(home):
    service = home().start()
    service.process.send_signal(signal.SIGINT)
    assert service.wait() == 0
    service.start()
    service.stop()


def test_offline_is_told_before_it_ends(home):
    service = home().start()
    mqtt = service.mqtt("homewatch/box/status")
    mqtt.wait("homewatch/box/status", lambda m: m.text == "online" and m.retain)
    service.stop()
    mqtt.wait("homewatch/box/status", lambda m: m.text == "offline")


def test_a_simulated_home_shows_what_a_real_one_would(home):
    service = home().start("--simulate")
    assert "a simulated home" in service.banner()
    mqtt = service.mqtt("homewatch/box/#")
    mqtt.wait("homewatch/box/health/+", lambda m: "temperature_c" in m.json)
    mqtt.wait("homewatch/box/health/+", lambda m: "fan_rpm" in m.json)
    mqtt.wait("homewatch/box/health/cpu", lambda m: "usage_pct" in m.json)
    service.stop()
    service.start()
    assert "this machine" in service.banner()
    simulated = {m.topic for m in mqtt.heard("homewatch/box/health/temp-#")}
    assert simulated.isdisjoint(service.mqtt("homewatch/box/health/+").latest())


def test_a_scenario_of_ones_own_is_played(home):
    service = home({"rules": {"temperature_high": {"for": "0s", "clear_for": "0s"}}})
    scenario = service.folder / "day.toml"
    scenario.write_text("speed = 60\n[event.hot]\nat = '1m'\nset = { cpu_temperature_c = 97 }\n"
                        "[event.cool]\nat = '5m'\nset = { cpu_temperature_c = 40 }\n")
    service.start(f"--simulate={scenario}")
    service.alert("temperature_high", "firing")
    service.alert("temperature_high", "resolved")


def test_a_faulty_scenario_is_told(home):
    service = home()
    scenario = service.folder / "day.toml"
    scenario.write_text("[event.hot]\nat = 'noon'\nset = { cpu_temprature_c = 97 }\n")
    text = service.run("run", f"--simulate={scenario}", code=2)
    assert "event.hot.at" in text and "cpu_temprature_c" in text, text


def test_a_port_that_is_taken_is_named_with_its_holder(home):
    first = home().start()
    for section, port in (("mqtt", first.mqtt_port), ("api", first.api_port)):
        listen = {"listen": f"127.0.0.1:{port}"}
        second = home({"api": listen} if section == "api" else {"mqtt": {"embedded": listen}})
        text = second.run("run", code=1)
        assert str(port) in text and "homewatch" in text, text
        assert str(first.process.pid) in text, text
    first.stop()


def test_an_address_that_this_machine_does_not_have_is_told(home):
    service = home({"api": {"listen": f"203.0.113.7:{free_port()}", "plain_http": True}})
    assert "203.0.113.7" in service.run("run", code=1)


def test_a_subscriber_that_comes_later_sees_everything_at_once(desktop):
    early = desktop.mqtt("homewatch/box/#")
    early.wait("homewatch/box/health/temp-coretemp-package-id-0")
    late = Mqtt(desktop.mqtt_port, "homewatch/box/#")
    try:
        late.wait("homewatch/box/status", lambda m: m.text == "online")
        late.wait("homewatch/box/health/temp-coretemp-package-id-0", lambda m: m.retain)
    finally:
        late.close()
