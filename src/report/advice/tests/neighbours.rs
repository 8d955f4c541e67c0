//! What is known of other machines by what they tell.

use super::super::neighbours::Neighbours;
use crate::host::Memory;
use crate::model::{Timestamp, Topics};

#[test]
fn other_machines_are_known_by_what_they_tell_and_remembered() {
    let topics = Topics::new("homewatch", "nas", "homeassistant");
    let memory = Memory::default();
    let mut neighbours = Neighbours::remembered(&memory);
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    let at = |minute: i64| start + jiff::SignedDuration::from_mins(minute);
    // Twelve days, of which ten are looked back on; a busy hour in the last.
    for minute in (0..12 * 24 * 60).step_by(5) {
        let busy = if minute / 60 == 11 * 24 { 50 } else { 5 };
        for (topic, payload) in [
            (
                "pc/power/host",
                r#"{"power_w": 30, "idle_w": 24}"#.to_owned(),
            ),
            (
                "pc/health/cpu",
                format!(r#"{{"usage_pct": {busy}, "cores": 4}}"#),
            ),
            (
                "pc/health/memory",
                r#"{"used_bytes": 2e9, "total_bytes": 8e9}"#.to_owned(),
            ),
            ("pc/health/disk", "{}".to_owned()),
            ("nas/power/host", r#"{"power_w": 900}"#.to_owned()),
            ("pi/power/host", "no JSON".to_owned()),
            ("odd/power/host", r#"{"power_w": -4}"#.to_owned()),
        ] {
            let topic = format!("homewatch/{topic}");
            let told = (&*topic, payload.as_bytes());
            neighbours.hear(&topics, told, &memory, at(minute));
        }
    }
    let now = at(12 * 24 * 60);
    let known = Neighbours::remembered(&memory).machines(now);
    assert_eq!(known.len(), 1, "{known:?}");
    assert_eq!(
        (&*known[0].name, known[0].hours),
        ("pc", 239),
        "the last hour is not over"
    );
    assert!((known[0].mean_w - 30.0).abs() < 1e-6 && (known[0].idle_w - 24.0).abs() < 1e-9);
    assert!((known[0].busiest - 2.0).abs() < 0.2 && known[0].busy < 0.3);
    assert_eq!(neighbours.machines(now)[0].hours, 240);
    let late = now + jiff::SignedDuration::from_hours(11 * 24);
    assert_eq!(neighbours.machines(late), [], "it has been silent for long");
}

#[test]
fn no_more_machines_are_listened_to_than_a_home_has() {
    let topics = Topics::new("homewatch", "nas", "homeassistant");
    let memory = Memory::default();
    let mut neighbours = Neighbours::default();
    let start: Timestamp = "2026-05-01T00:00:00Z".parse().unwrap();
    for node in 0..50 {
        for hour in 0..2 {
            let topic = format!("homewatch/n{node}/power/host");
            let told = (&*topic, &br#"{"power_w": 3}"#[..]);
            let at = start + jiff::SignedDuration::from_hours(hour);
            neighbours.hear(&topics, told, &memory, at);
        }
    }
    assert_eq!(memory.keys("neighbour/").len(), 8);
}
