//! Units of systemd.

use super::super::flap::Flap;
use super::super::units;
use super::*;

const SYSTEMCTL: &str = r#"
case $1 in
list-units) cat "$(dirname "$0")/failed" ;;
show) shift 3; for unit; do cat "$(dirname "$0")/$unit" 2> /dev/null && echo; done ;;
esac"#;

fn unit(name: &str, state: &str, restarts: u32) -> String {
    format!(
        "Id={name}\nLoadState=loaded\nActiveState={state}\nSubState=sub\nResult=success\n\
         NRestarts={restarts}\nMemoryCurrent=1048576\nCPUUsageNSec=[not set]\n"
    )
}

#[tokio::test]
async fn units_that_fail_are_told_and_those_that_are_watched() {
    let mut machine = Machine::new();
    machine.program("systemctl", SYSTEMCTL);
    machine.put("failed", "");
    machine.put("jellyfin.service", &unit("jellyfin.service", "active", 2));
    machine.put(
        "gone.service",
        "Id=gone.service\nLoadState=not-found\nActiveState=inactive\n",
    );
    let (collector, told) = built(
        units::ENTRY,
        &machine.host,
        "watch = [\"jellyfin\", \"gone\"]",
    );
    assert_eq!(told, "");
    let (collector, readings) = settled(collector, |readings| readings.len() > 1).await;
    let ids: Vec<_> = readings.iter().map(|one| one.subject.id.as_str()).collect();
    assert_eq!(
        ids,
        ["units", "unit-jellyfin"],
        "one that is not there is no unit"
    );
    assert_eq!(number(&readings[0], "failed"), Some(0.0));
    assert_eq!(text(&readings[1], "state"), Some("active"));
    assert_eq!(number(&readings[1], "memory_bytes"), Some(1_048_576.0));
    assert_eq!(number(&readings[1], "restart_loop"), Some(0.0));
    assert_eq!(readings[1].detail.as_ref().unwrap()["sub_state"], "sub");
    assert_eq!(number(&readings[1], "cpu_pct"), None, "it is not accounted");
    // Another one fails: it is told although nobody watches it, and how it recovers.
    let check = "e75d0fcc95eae882f5e9b4696d01d7d1743c1784f9d75d37fc678ff06eb71399";
    machine.put(
        "failed",
        &format!(
            "{check}.service loaded failed failed /usr/bin/podman healthcheck run {check}\n\
             {check}-4f1b2c.service loaded failed failed [systemd-run] podman\n\
             backup.service loaded failed failed Backup\n"
        ),
    );
    let broken = unit("backup.service", "failed", 0).replace("1048576", "18446744073709551615");
    machine.put("backup.service", &broken);
    machine.put("jellyfin.service", &unit("jellyfin.service", "active", 7));
    let (collector, readings) = settled(collector, |readings| readings.len() > 2).await;
    assert_eq!(number(&readings[0], "failed"), Some(1.0));
    assert_eq!(
        readings[0].detail.as_ref().unwrap()["failed_units"][0],
        "backup"
    );
    assert_eq!(number(&readings[1], "restart_loop"), Some(1.0));
    assert_eq!(text(&readings[2], "state"), Some("failed"));
    assert_eq!(
        number(&readings[2], "memory_bytes"),
        None,
        "not accounted is unknown"
    );
    machine.put("failed", "");
    machine.put("backup.service", &unit("backup.service", "inactive", 0));
    let well = |readings: &[Reading]| number(&readings[0], "failed") == Some(0.0);
    let (collector, readings) = settled(collector, well).await;
    assert_eq!(text(&readings[2], "state"), Some("inactive"));
    // One that systemd made for a moment is gone once it is cleared away.
    let gone = "Id=backup.service\nLoadState=not-found\nActiveState=inactive\nResult=success\n";
    machine.put("backup.service", gone);
    let (_, readings) = settled(collector, well).await;
    assert_eq!(text(&readings[2], "state"), Some("inactive"));
}

#[tokio::test]
async fn without_systemd_or_without_an_answer_nothing_is_claimed() {
    for (script, words, is_absent) in [
        (
            "echo 'System has not been booted with systemd as init system' >&2; exit 1",
            "systemd does not run here",
            true,
        ),
        ("echo 'Access denied' >&2; exit 4", "Access denied", false),
        ("exit 4", "systemctl failed", false),
    ] {
        let mut machine = Machine::new();
        machine.program("systemctl", script);
        let (mut collector, _) = built(units::ENTRY, &machine.host, "");
        let mut result = Ok(Vec::new());
        while let Ok(told) = &result {
            assert!(told.is_empty());
            (collector, result) = sample(collector).await;
        }
        let error = result.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(
            matches!(error, CollectError::Lacking(_)),
            is_absent,
            "{error}"
        );
    }
    let (collector, _) = built(
        units::ENTRY,
        &Host::captured(Path::new("/none"), Clock::Real),
        "",
    );
    let error = sample(collector).await.1.unwrap_err();
    assert!(matches!(error, CollectError::Lacking(_)), "{error}");
    let told = built(units::ENTRY, &Machine::new().host, "watch = [\"-H\"]").1;
    assert!(
        told.contains("collect.units.watch: must be names of units"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn three_restarts_in_a_quarter_of_an_hour_are_a_loop() {
    let wait = |minutes| tokio::time::sleep(Duration::from_mins(minutes));
    let mut flap = Flap::default();
    assert!(
        !flap.is_looping(40.0),
        "what was before the start counts nothing"
    );
    wait(60).await;
    assert!(!flap.is_looping(40.0));
    for (count, loops) in [(41.0, false), (42.0, false), (43.0, true)] {
        wait(4).await;
        assert_eq!(flap.is_looping(count), loops, "{count}");
    }
    wait(20).await;
    assert!(!flap.is_looping(43.0), "it is over");
    for count in 44..60 {
        wait(30).await;
        assert!(
            !flap.is_looping(f64::from(count)),
            "now and then is no loop"
        );
    }
    assert!(!flap.is_looping(0.0), "the count was reset");
}

#[tokio::test]
async fn a_unit_that_is_watched_by_a_pattern_is_told_once_and_also_after_systemd_has_put_it_away() {
    let mut machine = Machine::new();
    // As systemctl does: a pattern finds units in memory only, a name finds any.
    let script = r#"
cd "$(dirname "$0")"
case $1 in
list-units) cat failed ;;
show) shift 3; for unit; do
    case $unit in
    *\**) [ -e in-memory ] && cat vic.service && echo ;;
    *) cat "$unit" && echo ;;
    esac; done; exit 0 ;;
esac"#;
    machine.program("systemctl", script);
    machine.put("failed", "vic.service loaded failed failed Vic\n");
    machine.put("in-memory", "");
    machine.put("vic.service", &unit("vic.service", "failed", 0));
    let (collector, told) = built(units::ENTRY, &machine.host, "watch = [\"vic*\"]");
    assert_eq!(told, "");
    let (collector, readings) = settled(collector, |readings| readings.len() > 1).await;
    assert_eq!(readings.len(), 2, "once");
    assert_eq!(text(&readings[1], "state"), Some("failed"));
    machine.put("failed", "");
    machine.put("vic.service", &unit("vic.service", "inactive", 0));
    std::fs::remove_file(machine.dir.path().join("in-memory")).ok();
    let well = |readings: &[Reading]| number(&readings[0], "failed") == Some(0.0);
    let (_, readings) = settled(collector, well).await;
    assert_eq!(text(&readings[1], "state"), Some("inactive"));
}

#[tokio::test]
async fn a_unit_that_had_failed_is_told_after_a_boot_that_started_it_well() {
    let mut machine = Machine::new();
    machine.program("systemctl", SYSTEMCTL);
    machine.put("failed", "backup.service loaded failed failed Backup\n");
    machine.put("backup.service", &unit("backup.service", "failed", 0));
    let (collector, _) = built(units::ENTRY, &machine.host, "");
    settled(collector, |readings| readings.len() > 1).await;
    // The machine is started again: systemd lists no failure.
    machine.put("failed", "");
    machine.put("backup.service", &unit("backup.service", "active", 0));
    let (collector, _) = built(units::ENTRY, &machine.host, "");
    let (_, readings) = settled(collector, |readings| readings.len() > 1).await;
    assert_eq!(text(&readings[1], "state"), Some("active"));
    // What was said against it is over after an hour.
    machine.host.clock = Clock::set_to("2026-05-01T13:00:01Z".parse().unwrap());
    for count in [2, 1] {
        let (collector, _) = built(units::ENTRY, &machine.host, "");
        let (_, readings) = settled(collector, |readings| !readings.is_empty()).await;
        assert_eq!(readings.len(), count);
    }
}
