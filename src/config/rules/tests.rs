#![expect(
    clippy::wildcard_enum_match_arm,
    clippy::float_cmp,
    reason = "test code: any other is a failure, and figures are exact"
)]

use super::*;
use crate::model::Severity;

fn read(text: &str) -> (RulesConfig, Vec<String>) {
    let problems = Problems::default();
    let table = File::from_str(text, FileFormat::Toml).collect().unwrap();
    let config = RulesConfig::read(Section::new(
        "rules".to_owned(),
        Value::from(table),
        &problems,
    ));
    let faults = problems.into_vec();
    let faults = faults.iter().map(|p| format!("{}: {}", p.key, p.text));
    (config, faults.collect())
}

fn fine(text: &str) -> RulesConfig {
    let (config, faults) = read(text);
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    config
}

fn rule(config: &RulesConfig, id: &str) -> Rule {
    let found = config.rules.iter().find(|rule| rule.id == id);
    found.map(|rule| Rule::clone(rule)).unwrap()
}

fn threshold(config: &RulesConfig, id: &str) -> Threshold {
    match rule(config, id).condition {
        Condition::Number(threshold) => threshold,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rules_that_come_along_have_no_faults_and_watch_what_they_should() {
    let table = File::from_str(BUILTIN, FileFormat::Toml).collect().unwrap();
    let problems = Problems::default();
    let mut section = Section::root(Value::from(table), &problems);
    for name in section.keys() {
        let mut one = section.section(&name);
        let keys = Keys::read(&mut one);
        assert!(!keys.lacks_series() && rule::is_id(&name), "{name}");
        assert!(keys.rule(&name, &one).is_some(), "{name}");
        one.finish();
    }
    assert_eq!(problems.into_vec(), Vec::new());

    let config = fine("");
    for (subject, want) in [
        (
            "health/temp-coretemp-package-id-0",
            &["temperature_high"][..],
        ),
        ("health/temp-coretemp-core-0", &[]),
        ("health/temp-k10temp-tctl", &["temperature_high"]),
        ("health/temp-nct6798-auxtin0", &[]),
        ("health/temp-cpu-thermal", &["soc_temperature_high"]),
        (
            "health/temp-disk-s5gx-composite",
            &["disk_temperature_high"],
        ),
        ("health/temp-disk-s5gx-sensor-1", &[]),
        (
            "health/fs-root",
            &[
                "filesystem_full",
                "inodes_used_up",
                "filesystem_errors",
                "filesystem_read_only",
            ],
        ),
        ("health/memory", &["memory_low"]),
        ("health/pressure", &["memory_thrashing"]),
        ("health/mqtt-broker", &["mqtt_broker_lost"]),
        ("power/meter-nas", &["meter_silent", "meter_doubtful"]),
        (
            "power/host",
            &["power_contradicted", "price_missing", "standby_high"],
        ),
        (
            "power/budget-month",
            &["budget_exceeded", "budget_will_be_exceeded"],
        ),
        ("power/service-jellyfin", &["service_over_usual"]),
        ("power/meters", &[]),
        ("collector/hwmon", &["collector_silent"]),
        ("collector/history", &["history_failing"]),
        ("node/pi", &["node_gone"]),
        ("health/cpu", &[]),
    ] {
        let watching = config.rules.iter().filter(|rule| rule.watches(subject));
        let mut ids: Vec<&str> = watching.map(|rule| rule.id.as_str()).collect();
        let mut want = want.to_vec();
        ids.sort_unstable();
        want.sort_unstable();
        assert_eq!(ids, want, "{subject}");
    }
}

#[test]
fn a_rule_that_comes_along_can_be_changed_key_by_key_or_switched_off() {
    let config = fine(
        "keep_resolved = \"1h\"\nflap_count = 3\nflap_window = \"30m\"\nflap_quiet = \"5m\"\n\
         forget_after = \"1d\"\n[node_gone]\nenabled = false\n[memory_low]\nabove = 90\n\
         severity = \"critical\"\nfor = \"10m\"",
    );
    assert_eq!(config.keep_resolved, Duration::from_hours(1));
    assert_eq!(
        (config.flap_count, config.flap_quiet),
        (3, Duration::from_mins(5))
    );
    assert!(!config.rules.iter().any(|rule| rule.id == "node_gone"));
    let memory = rule(&config, "memory_low");
    assert_eq!(memory.severity, Severity::Critical);
    assert_eq!(memory.for_, Duration::from_mins(10));
    assert_eq!(memory.clear_for, Duration::from_mins(2));
    let levels = threshold(&config, "memory_low").levels.unwrap();
    // The distance between the limit and its end is kept.
    assert_eq!(
        levels,
        Levels {
            limit: 90.0,
            clear: 87.0,
            critical: Some(98.0)
        }
    );
}

#[test]
fn one_figure_takes_the_place_of_shares_and_of_levels_that_no_longer_fit() {
    let config = fine("[temperature_high]\nabove = 105");
    let temperature = threshold(&config, "temperature_high");
    assert_eq!(temperature.relative, None);
    let levels = temperature.levels.unwrap();
    assert_eq!(
        levels,
        Levels {
            limit: 105.0,
            clear: 100.0,
            critical: None
        }
    );

    let config = fine("[temperature_high]\npercent = 95");
    let relative = threshold(&config, "temperature_high").relative.unwrap();
    assert_eq!(relative.percent.limit, 95.0);
    assert_eq!(relative.percent.of(80.0).critical, Some(80.0));

    let config = fine("[memory_low]\nbelow = 5\nseries = \"health/memory/free_pct\"");
    let memory = threshold(&config, "memory_low");
    assert_eq!(memory.side, Side::Below);
    assert_eq!(memory.levels.unwrap().clear, 5.0);

    let config = fine("[filesystem_read_only]\nis = true");
    let want = Condition::Word {
        metric: "read_only".to_owned(),
        any: vec!["true".to_owned()],
        changed: false,
    };
    assert_eq!(rule(&config, "filesystem_read_only").condition, want);
}

#[test]
fn rules_of_ones_own_watch_any_series() {
    let config = fine(
        "[errors]\nseries = \"health/net-*/rx_errors\"\nabove = 100\ngrowth_over = \"1h\"\n\
         [raid]\nseries = \"health/raid-*/state\"\nis = [\"degraded\", \"failed\"]\n\
         [ups_silent]\nno_data = \"health/ups-*\"\nfor = \"5m\"\nseverity = \"info\"\n\
         [warm]\nseries = \"health/temp-*/temperature_c\"\nof = \"max_c\"\npercent = 80\n\
         summary = \"{subject} is warm: {value}\"\nexcept = [\"health/temp-a\"]",
    );
    assert_eq!(
        threshold(&config, "errors").growth_over,
        Some(Duration::from_hours(1))
    );
    assert_eq!(rule(&config, "ups_silent").condition, Condition::NoData);
    assert_eq!(
        rule(&config, "ups_silent").alert_id("health/ups-a"),
        "ups_silent-health-ups-a"
    );
    assert_eq!(threshold(&config, "warm").levels, None);
    assert!(!rule(&config, "warm").watches("health/temp-a"));
    assert!(rule(&config, "raid").watches("health/raid-md0"));
}

#[test]
fn every_fault_names_its_key_and_what_would_be_right() {
    for (text, key, what) in [
        (
            "keep_resolved = \"1y\"",
            "rules.keep_resolved",
            "a duration",
        ),
        ("forget_after = \"1m\"", "rules.forget_after", "a duration"),
        ("flap_count = 1", "rules.flap_count", "from 2 to 100"),
        (
            "keep_resolvd = \"1h\"",
            "rules.keep_resolvd",
            "did you mean \"keep_resolved\"?",
        ),
        (
            "[temprature_high]\nenabled = false",
            "rules.temprature_high",
            "\"temperature_high\"?",
        ),
        ("[x]", "rules.x", "must say when"),
        (
            "[Hot-disk]\nabove = 1",
            "rules.Hot-disk",
            "is no name for a rule",
        ),
        (
            "[memory_low]\nabov = 1",
            "rules.memory_low.abov",
            "did you mean \"above\"?",
        ),
        (
            "[memory_low]\nabove = \"hot\"",
            "rules.memory_low.above",
            "must be a number",
        ),
        (
            "[memory_low]\nclear = 96",
            "rules.memory_low.clear",
            "(96) must not lie beyond above (95)",
        ),
        (
            "[memory_low]\ncritical = 95",
            "rules.memory_low.critical",
            "(95) must lie beyond",
        ),
        (
            "[memory_low]\nseverity = \"bad\"",
            "rules.memory_low.severity",
            "must be one of",
        ),
        (
            "[memory_low]\nfor = \"60d\"",
            "rules.memory_low.for",
            "a duration",
        ),
        (
            "[memory_low]\nseries = \"memory\"",
            "rules.memory_low.series",
            "<area>/<subject>/<metric>",
        ),
        (
            "[memory_low]\nseries = \"helth/memory/x\"",
            "rules.memory_low.series",
            "one of power",
        ),
        (
            "[memory_low]\nseries = \"health/memory/*\"",
            "rules.memory_low.series",
            "in the subject only",
        ),
        (
            "[memory_low]\nexcept = [\"x\"]",
            "rules.memory_low.except",
            "must be a list of",
        ),
        (
            "[memory_low]\nsummary = \"{valu}\"",
            "rules.memory_low.summary",
            "did you mean {value}?",
        ),
        (
            "[memory_low]\nsummary = \"{\"",
            "rules.memory_low.summary",
            "may hold",
        ),
        (
            "[memory_low]\nabove = 1\nis = true",
            "rules.memory_low.is",
            "excludes",
        ),
        (
            "[memory_low]\nabove = 1\nbelow = 1",
            "rules.memory_low.below",
            "excludes above",
        ),
        (
            "[memory_low]\npercent = 1",
            "rules.memory_low.percent",
            "needs of",
        ),
        (
            "[memory_low]\nof = \"x\"",
            "rules.memory_low.of",
            "needs percent",
        ),
        (
            "[memory_low]\nclear_percent = 1",
            "rules.memory_low.clear_percent",
            "needs percent",
        ),
        ("[x]\nabove = 1", "rules.x.series", "must be given"),
        (
            "[x]\nno_data = \"ups\"",
            "rules.x.no_data",
            "<area>/<subject>",
        ),
        (
            "[x]\nno_data = \"health/a\"\nseries = \"health/a/b_c\"",
            "rules.x.series",
            "says nothing here",
        ),
        (
            "[x]\nseries = \"health/a/b\"\nis = 3",
            "rules.x.is",
            "true, false, a text",
        ),
        (
            "[x]\nseries = \"health/a/b\"\nabove = 1\ngrowth_over = \"1s\"",
            "rules.x.growth_over",
            "a duration",
        ),
    ] {
        let (_, faults) = read(text);
        let named = |fault: &String| fault.starts_with(&format!("{key}:")) && fault.contains(what);
        assert!(faults.iter().any(named), "{text}: {faults:?}");
    }
}
