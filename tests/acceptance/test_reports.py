"""Reports: what a period used and cost, however it is asked for."""

import json

from harness import until


def test_a_report_can_be_had_by_every_way_and_the_store_alone_is_enough(home, host):
    service = home({"host": host.config("sys"), "power": {"host": {"idle_w": 20, "max_w": 60}}})
    service.start()
    until(lambda: "energy_kwh" in service.get("power/report", period="day")["figures"],
          "the machine's energy")
    text = service.run("report", "power", "--period", "day")
    assert text.startswith("Power — box\n") and "Energy" in text
    assert max(map(len, text.splitlines())) <= 80
    told = json.loads(service.run("report", "power", "--format", "json"))
    assert told["node"] == "box" and "energy_kwh" in told["figures"]
    assert told["figures"]["forecast_month_kwh"]["remark"].endswith("7 are needed")
    assert service.get("power/report")["period"]["name"].endswith("so far")
    page = service.folder / "power.html"
    service.run("report", "power", "--format", "html", "-o", page)
    shown = page.read_text()
    assert "<svg" in shown and "<script" not in shown and "http" not in shown.split("<body>")[1]

    service.stop()
    told = json.loads(service.run("report", "power", "--period", "week", "--format", "json"))
    assert told["figures"]["energy_kwh"]["value"] >= 0
    rows = service.run("report", "power", "--format", "csv").splitlines()
    assert rows[0] == "part,item,figure,value,unit" and rows[1].startswith("report,power,node,box")


def test_what_cannot_be_reported_is_refused_with_what_can(home):
    service = home()
    told = service.run("report", "ddns", code=2)
    assert "invalid value 'ddns'" in told and "power" in told
    assert "a period is day, week" in service.run("report", "power", "--period", "5", code=2)
    assert "there is no store" in service.run("report", "power", code=1)


def test_another_machine_is_reported_by_the_meter_that_feeds_it(home, host):
    desk = {"mqtt": "plugs/desk", "power": "/w", "energy": "/kwh", "energy_unit": "kWh",
            "feeds": "node-pc"}
    service = home({"host": host.config("sys"),
                    "power": {"host": {"idle_w": 20, "max_w": 60}, "meters": {"desk": desk},
                              "tariff": {"currency": "EUR", "price": 0.5}}}).start()
    mqtt = service.mqtt("homewatch/box/power/meter-desk")
    for kwh in (7.0, 7.5):
        mqtt.publish("plugs/desk", {"w": 120, "kwh": kwh})
        mqtt.wait("homewatch/box/power/meter-desk", lambda m: m.json.get("energy_kwh") == kwh)

    def report():
        return service.get("power/report", period="day", node="pc")

    told = until(lambda: (r := report())["figures"].get("energy_kwh", {}).get("value") == 0.5 and r,
                 "the half kWh in the history")
    assert told["node"] == "pc" and told["figures"]["cost_eur"]["value"] == 0.25
    # This machine's own figures take two of its ticks.
    nodes = until(lambda: service.get("power/report", period="day")["tables"].get("nodes"),
                  "both machines in the report")
    assert [row["node"] for row in nodes] == ["pc", "box"]
    text = service.run("report", "power", "--period", "day", "--node", "pc")
    assert text.startswith("Power — pc\n") and "0.50 kWh" in text
    own = service.run("report", "power", "--period", "day", "--node", "box")
    assert "By node" in own
    refused = service.run("report", "power", "--node", "tv", code=1)
    assert "there is: box, pc" in refused and "node-tv" in refused
    answer = service.api().get("/api/v1/power/report", params={"node": "tv"})
    assert answer.status_code == 404 and "there is: box, pc" in answer.json()["detail"]
    assert "ask pc itself" in service.run("report", "health", "--node", "pc", code=1)


def test_advice_that_was_never_given_cannot_be_dismissed(home):
    service = home().start()
    told = service.get("power/advice")
    assert told["known"] is False and told["advice"] == []
    mqtt = service.mqtt("homewatch/box/result")
    for payload in ("", "90d", "restore"):
        result = mqtt.command("power/advice/idle-floor", payload)
        assert not result["ok"] and "there is no advice" in result["error"]
    result = mqtt.command("power/advice/idle-floor", "never again")
    assert not result["ok"] and "90d" in result["error"]
    answer = service.api().post("/api/v1/control/power/advice/idle-floor", json={"for": "30d"})
    assert answer.json()["detail"].startswith("there is no advice")


def test_the_health_is_reported_and_what_is_too_young_to_be_foreseen_says_what_is_missing(home, host):
    service = home({"host": host.config("sys")})
    service.start()
    until(lambda: "health/cpu/usage_pct" in service.series(), "figures")
    until(lambda: service.get("history", series="health/cpu/usage_pct", **{"from": "-1h"})
          ["series"][0]["points"], "the processor in the history")
    text = service.run("report", "health", "--period", "day")
    assert text.startswith("Health — box\n") and "Verdict:" in text
    told = service.get("health/predictions")
    assert told["items"] == [] and told["full"] is True
    assert service.api().get("/api/v1/health/disks/none").status_code == 404
