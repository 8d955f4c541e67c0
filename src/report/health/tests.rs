//! Two days of a machine whose story is made up.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::host::Clock;
use crate::model::{Area, Batch, FlagMeaning, Metric, Outcome, Reading, Subject, Unit};
use crate::report::{Asked, Basis, Format, Period, Reports};
use crate::store::{Collection, Store};

static DEGREES: Metric = Metric::gauge("temperature_c", "", Unit::Celsius).decimals(1);
static CRITICAL: Metric = Metric::gauge("critical_c", "", Unit::Celsius).decimals(1);
static VERDICT: Metric = Metric::state("verdict", "", &["ok", "watch", "warning", "failing"]);
static WEAR: Metric = Metric::gauge("wear_pct", "", Unit::Percent);
static RPM: Metric = Metric::gauge("fan_rpm", "", Unit::Rpm);
static BATTERY: Metric = Metric::flag("on_battery", "", FlagMeaning::Problem);
static CHARGE: Metric = Metric::gauge("charge_pct", "", Unit::Percent);
static USED: Metric = Metric::gauge("used_pct", "", Unit::Percent).decimals(1);
static FREE: Metric = Metric::gauge("free_bytes", "", Unit::Byte);
static DEGRADED: Metric = Metric::flag("degraded", "", FlagMeaning::Problem);
static STATE: Metric = Metric::state("state", "", &["ok", "rebuilding"]);

fn reading(id: &str) -> Reading {
    Reading::new(&Subject::of_host(Area::Health, id, id))
}

/// Every ten minutes from midnight to the noon of the next day; from 10:00 to 11:00 the mains are out.
fn fill(store: &Store, verdict: &str) {
    let start: Timestamp = "2026-05-03T00:00:00Z".parse().unwrap();
    for step in 0..=36 * 6_i32 {
        let out = (60..66).contains(&step);
        let hot = if step == 100 { 91.0 } else { 50.0 };
        let charge = if out {
            100.0 - f64::from(step - 60) * 5.0
        } else {
            100.0
        };
        let readings = vec![
            reading("temp-cpu")
                .with(&DEGREES, hot)
                .with(&CRITICAL, 100.0),
            // Its own sensor sees what smartctl, who is asked seldom, misses.
            reading("temp-disk-a").with(&DEGREES, if step == 50 { 67.0 } else { 40.0 }),
            reading("temp-disk-ab").with(&DEGREES, 80.0),
            reading("temp-disk-a-sensor-2").with(&DEGREES, 81.0),
            reading("disk-a")
                .with(&VERDICT, verdict)
                .with(&WEAR, 7.0)
                .with(&DEGREES, 41.0),
            reading("ups-rack")
                .with(&BATTERY, out)
                .with(&CHARGE, charge),
            reading("fan-case").with(&RPM, if step == 50 { 0.0 } else { 820.0 }),
            reading("fs-root")
                .with(&USED, 71.5)
                .with(&FREE, 10_737_418_240.0),
            reading("fs-srv").with(&USED, 10.0),
            reading("raid-md0")
                .with(&DEGRADED, false)
                .with(&STATE, "rebuilding"),
            reading("zfs-tank").with(&DEGRADED, false),
            reading("zfs-old").with(&DEGRADED, true),
        ];
        let outcome = Outcome {
            collector: "test",
            result: Ok(readings),
        };
        let at = start + SignedDuration::from_mins(10 * i64::from(step));
        let batch = Batch {
            at,
            outcomes: vec![outcome],
        };
        store.append(&batch).unwrap();
    }
}

fn alert(store: &Store, id: &str, severity: &str, state: &str, since: &str) {
    let alert = json!({
        "id": id, "rule": id, "severity": severity, "state": state, "subject": "health/cpu",
        "summary": format!("{id} it is"), "since": since, "count": 1,
    });
    let record = serde_json::to_vec(&json!({"alert": alert})).unwrap();
    store.put(Collection::Alerts, id, &record).unwrap();
}

fn posted() -> Json {
    let prediction = |id: &str, outlook: &str| {
        json!({
            "id": id, "kind": "wear", "subject": "health/disk-a", "label": "Disk A",
            "outlook": outlook, "text": format!("{id} wears out"), "confidence_pct": 90,
            "due": {"earliest": "2026-06-01T00:00:00Z", "likely": "2026-06-10T00:00:00Z"},
            "lead_days": 30, "evidence": [{"what": "wear", "figure": "98 %"}],
            "advice": "replace it", "since": "2026-05-01T00:00:00Z",
        })
    };
    json!({
        "predictions": [prediction("a", "near"), prediction("b", "withdrawn")],
        "outlooks": [
            {"kind": "space", "subject": "health/fs-root", "label": "/", "due": {
                "earliest": "2027-01-01T00:00:00Z", "likely": "2027-02-01T00:00:00Z",
                "latest": "2027-03-01T00:00:00Z"}},
            {"kind": "space", "subject": "health/fs-srv", "label": "/srv", "missing": "5 days"},
        ],
    })
}

fn report(store: &Store, period: &str, remember: impl Fn(&Basis)) -> (Json, String) {
    let clock = Clock::set_to("2026-05-04T12:00:00Z".parse().unwrap());
    let basis = Basis::plain(store, clock);
    remember(&basis);
    let reports = Reports::new(basis);
    let period: Period = period.parse().unwrap();
    let node = Some("pc".to_owned());
    let other = reports.make(
        "health",
        &Asked {
            period: period.clone(),
            node,
        },
    );
    assert!(other.unwrap_err().to_string().contains("ask pc itself"));
    let document = reports.make("health", &period.into()).unwrap();
    let told = serde_json::from_str(&Format::Json.render(&document)).unwrap();
    (told, Format::Text.render(&document))
}

#[test]
fn the_whole_story_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fill(&store, "failing");
    alert(&store, "hot", "warning", "firing", "2026-05-03T20:00:00Z");
    alert(&store, "over", "info", "resolved", "2026-05-03T21:00:00Z");
    alert(&store, "older", "info", "resolved", "2026-04-03T21:00:00Z");
    alert(
        &store,
        "maybe",
        "critical",
        "pending",
        "2026-05-03T21:00:00Z",
    );
    store.put(Collection::Alerts, "odd", b"{").unwrap();
    let (told, text) = report(&store, "2026-05-03..2026-05-04", |basis| {
        basis.memory.put("predict/posted", &posted());
        let known = json!({
            "health/disk-a": {"label": "Disk A", "reason": "12 pending sectors"},
            "health/ups-rack": {"label": "Rack"},
        });
        basis.memory.put("predict/known", &known);
    });
    for want in [
        "Verdict: critical.",
        "Disk A: 12 pending sectors",
        "Wear of Disk A: a wears out",
        "hot it is",
        "over it is",
        "rebuilding",
        "degraded",
        "2026-06-10 (2026-06-01 or later)",
        "2027-02-01 (2027-01-01 to 2027-03-01)",
        "still learnt",
        "replace it",
    ] {
        // Text is wrapped: words are compared, not lines.
        let whole = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let json = told.to_string();
        assert!(
            whole.contains(want) || json.contains(want),
            "{want}: {text}"
        );
    }
    for missing in ["older it is", "maybe it is", "b wears out"] {
        assert!(!told.to_string().contains(missing), "{missing}");
    }
    assert_eq!(
        told["figures"]["ups-rack_on_battery_min"]["value"].as_f64(),
        Some(60.0),
        "{told}"
    );
    let supply = text.lines().find(|line| line.contains("Rack on battery"));
    assert!(
        supply.is_some_and(|line| line.contains("60.0 min")),
        "{text}"
    );
    let warmest = &told["tables"]["disks"][0]["max_c"];
    assert_eq!(warmest.as_f64(), Some(67.0), "{told}");
    let fan = json!({"fan": "fan-case", "min_rpm": 0.0, "max_rpm": 820.0, "last_rpm": 820.0});
    assert_eq!(told["tables"]["fans"], json!([fan]), "{told}");
    let rows = |id: &str| told["tables"][id].to_string();
    assert!(rows("hottest").contains("91"), "{told}");
    assert!(rows("outages").contains("75"), "the lowest charge: {told}");
}

#[test]
fn a_quiet_machine_is_well_and_an_unknown_one_is_not_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let (_, text) = report(&store, "day", |_| {});
    assert!(text.contains("Nothing is known of this period"), "{text}");
    fill(&store, "ok");
    let (_, text) = report(&store, "week", |basis| {
        let mut posted = posted();
        posted["predictions"] = json!([]);
        basis.memory.put("predict/posted", &posted);
    });
    assert!(text.contains("Verdict: all is well"), "{text}");
    assert!(text.contains("Nothing is foreseen"), "{text}");
    // Over a year means would take too long: they are left out.
    let (told, _) = report(&store, "2025-06-01..2026-05-04", |_| {});
    assert!(
        told["tables"]["hottest"].to_string().contains("91"),
        "{told}"
    );
}

#[test]
fn a_disk_that_warns_without_a_reason_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fill(&store, "warning");
    let (_, text) = report(&store, "2026-05-03..2026-05-04", |_| {});
    assert!(text.contains("Verdict: warning."), "{text}");
    assert!(text.contains("disk-a: its SMART figures say so"), "{text}");
}
