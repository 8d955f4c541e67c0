use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Alert, AlertState, Severity};
use crate::store::Change;

use super::*;

mod buttons;
mod failure;

const START: i64 = 1_790_000_000;

/// A house whose time stands still until somebody moves it, with what its store holds.
struct House {
    outbox: Outbox,
    records: Vec<(String, Vec<u8>)>,
    up: u64,
    health: Vec<Option<String>>,
}

fn policy() -> Policy {
    Policy {
        node: "nas".to_owned(),
        min_severity: Severity::Warning,
        group: Duration::from_secs(5),
        digest_after: Duration::from_mins(10),
        reminder: Duration::ZERO,
        resolved: true,
    }
}

fn wall(up: u64) -> Timestamp {
    Timestamp::from_second(START + i64::try_from(up).unwrap()).unwrap()
}

fn moment(up: u64) -> Moment {
    Moment {
        wall: wall(up),
        up: Duration::from_secs(up),
    }
}

fn alert(id: &str, severity: Severity, state: AlertState) -> Alert {
    Alert {
        id: id.to_owned(),
        rule: "hot".to_owned(),
        severity,
        state,
        subject: format!("health/{id}"),
        summary: format!("{id} is too hot"),
        value: None,
        threshold: None,
        since: wall(0),
        acknowledged_by: None,
        acknowledged_at: None,
        note: None,
        silenced_until: None,
        count: 1,
    }
}

fn firing(id: &str) -> Alert {
    alert(id, Severity::Critical, AlertState::Firing)
}

fn resolved(id: &str) -> Alert {
    alert(id, Severity::Critical, AlertState::Resolved)
}

fn away() -> Input {
    Input::Failed(Failure::Away {
        text: "no route".to_owned(),
        after: None,
    })
}

impl House {
    fn new(policy: Policy) -> Self {
        Self {
            outbox: Outbox::restore(policy, &[], moment(0), 7),
            records: Vec::new(),
            up: 0,
            health: Vec::new(),
        }
    }

    /// A restart after kill -9: only the store remains.
    fn restart(&mut self) {
        self.outbox = Outbox::restore(policy(), &self.records, moment(self.up), 7);
    }

    fn step(&mut self, input: Input) -> Option<Message> {
        let mut sent = None;
        for effect in self.outbox.step(moment(self.up), input) {
            match effect {
                Effect::Persist(changes) => {
                    for change in changes {
                        let (Change::Put(_, key, _) | Change::Remove(_, key)) = &change;
                        self.records.retain(|(old, _)| old != key);
                        if let Change::Put(_, key, value) = change {
                            self.records.push((key, value));
                        }
                    }
                }
                Effect::Send(message) => {
                    assert!(sent.replace(message).is_none(), "one message at a time");
                }
                Effect::Health(fault) => self.health.push(fault),
            }
        }
        sent
    }

    fn alert(&mut self, alert: Alert) -> Option<Message> {
        self.step(Input::Alert(Arc::new(alert)))
    }

    fn wait(&mut self, seconds: u64) -> Option<Message> {
        self.up += seconds;
        self.step(Input::Tick)
    }

    /// Lets the group close and has the message taken.
    fn delivered(&mut self) -> Option<Message> {
        let message = self.wait(5);
        if message.is_some() {
            assert_eq!(self.step(Input::Sent), None);
        }
        message
    }
}

#[test]
fn a_firing_alert_is_told_once_and_its_end_too() {
    let mut house = House::new(policy());
    assert_eq!(house.alert(firing("cpu")), None, "others may follow");
    let message = house.delivered().unwrap();
    assert_eq!(message.title, "Critical on nas");
    assert_eq!(message.body, "cpu is too hot");
    assert_eq!(message.priority, 5);
    assert_eq!(message.tags, ["rotating_light", "nas"]);
    assert_eq!(message.open, [("cpu".to_owned(), "health/cpu".to_owned())]);
    house.alert(firing("cpu"));
    assert_eq!(house.delivered(), None, "the same alert again is no news");
    house.up += 120;
    house.alert(resolved("cpu"));
    let message = house.delivered().unwrap();
    assert_eq!(message.title, "Resolved on nas");
    assert_eq!((message.priority, message.open.len()), (2, 0));
    assert!(message.body.contains("lasted 2 min"), "{}", message.body);
    assert_eq!(house.records, [], "nothing is kept of what is over");
    house.alert(Alert {
        since: wall(house.up),
        count: 2,
        ..firing("cpu")
    });
    let again = house.delivered().unwrap();
    assert_eq!(again.title, "Critical (time 2) on nas");
}

#[test]
fn what_is_pending_mild_silenced_or_acknowledged_is_not_told() {
    let mut house = House::new(policy());
    let silenced = Alert {
        silenced_until: Some(wall(3600)),
        ..firing("b")
    };
    for quiet in [
        alert("a", Severity::Critical, AlertState::Pending),
        silenced,
        alert("c", Severity::Info, AlertState::Firing),
        alert("d", Severity::Critical, AlertState::Acknowledged),
        resolved("e"),
    ] {
        house.alert(quiet);
        assert_eq!(house.delivered(), None);
    }
    assert_eq!(house.outbox.waiting(), 0);
}

#[test]
fn an_alert_still_firing_when_its_silence_ends_is_told_then() {
    let mut house = House::new(policy());
    house.alert(Alert {
        silenced_until: Some(wall(600)),
        ..firing("cpu")
    });
    assert_eq!(house.outbox.wake(moment(0)), Some(Duration::from_mins(10)));
    assert_eq!(house.wait(600), None);
    assert!(house.delivered().is_some());
}

#[test]
fn an_alert_that_was_put_off_is_told_again_when_that_ends_even_over_a_restart() {
    let hushes = [
        alert("cpu", Severity::Critical, AlertState::Acknowledged),
        Alert {
            silenced_until: Some(wall(60)),
            ..firing("cpu")
        },
    ];
    for hush in hushes {
        let mut house = House::new(policy());
        house.alert(firing("cpu"));
        house.delivered().unwrap();
        house.alert(hush);
        house.restart();
        assert_eq!(house.delivered(), None);
        house.up = 70;
        house.alert(firing("cpu"));
        let message = house.delivered().unwrap();
        assert_eq!(message.title, "Still critical on nas");
        assert_eq!(house.wait(86_400), None);
    }
}

#[test]
fn acknowledging_before_the_message_goes_out_takes_it_back() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.alert(alert("cpu", Severity::Critical, AlertState::Acknowledged));
    assert_eq!(house.delivered(), None);
    house.alert(resolved("cpu"));
    assert_eq!(
        house.delivered(),
        None,
        "nobody heard of it, nobody needs its end"
    );
    // While the message is in flight and fails.
    house.alert(firing("cpu"));
    assert!(house.wait(5).is_some());
    house.alert(alert("cpu", Severity::Critical, AlertState::Acknowledged));
    house.step(away());
    assert_eq!(house.wait(600), None);
    assert_eq!(house.outbox.waiting(), 0);
}

#[test]
fn an_acknowledged_alert_that_was_told_gets_its_end_told_unless_silenced() {
    for (silenced_until, told) in [(None, true), (Some(wall(9999)), false)] {
        let mut house = House::new(policy());
        house.alert(firing("cpu"));
        house.delivered().unwrap();
        house.alert(alert("cpu", Severity::Critical, AlertState::Acknowledged));
        house.alert(Alert {
            silenced_until,
            ..resolved("cpu")
        });
        assert_eq!(house.delivered().is_some(), told);
    }
}

#[test]
fn a_burst_is_one_message_worst_first() {
    let mut house = House::new(policy());
    house.alert(alert("disk", Severity::Warning, AlertState::Firing));
    house.up += 3;
    house.alert(firing("cpu"));
    let message = house.wait(2).unwrap();
    assert_eq!(message.title, "nas: 1 critical, 1 warning");
    let lines: Vec<&str> = message.body.lines().collect();
    assert!(lines[0].starts_with("• Critical: cpu"), "{lines:?}");
    assert!(lines[1].starts_with("• Warning: disk"), "{lines:?}");
    assert_eq!(message.open[0].0, "cpu");
}

#[test]
fn a_worse_severity_is_news() {
    let mut house = House::new(policy());
    house.alert(alert("cpu", Severity::Warning, AlertState::Firing));
    assert_eq!(house.delivered().unwrap().priority, 4);
    house.alert(firing("cpu"));
    assert_eq!(house.delivered().unwrap().priority, 5);
}

#[test]
fn nothing_is_told_twice_over_a_restart_and_nothing_that_waited_is_lost() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.delivered().unwrap();
    house.alert(firing("disk"));
    house.restart();
    house.step(Input::All(vec![
        Arc::new(firing("cpu")),
        Arc::new(firing("disk")),
    ]));
    let message = house.delivered().unwrap();
    let told: Vec<&str> = message.open.iter().map(|(_, subject)| &**subject).collect();
    assert_eq!(told, ["health/disk"]);
    house.restart();
    house.alert(resolved("cpu"));
    assert!(house.delivered().unwrap().title.starts_with("Resolved on"));
}

#[test]
fn the_queue_is_bounded_and_keeps_the_worst() {
    let mut house = House::new(policy());
    for n in 0..600 {
        let severity = if n == 0 {
            Severity::Critical
        } else {
            Severity::Warning
        };
        house.alert(alert(&format!("part-{n}"), severity, AlertState::Firing));
    }
    assert_eq!(house.outbox.waiting(), 500);
    let message = house.delivered().unwrap();
    assert_eq!(message.priority, 5);
    assert!(message.body.ends_with("… and 580 more"), "{}", message.body);
}

#[test]
fn a_reminder_comes_while_nobody_has_taken_note() {
    let mut house = House::new(Policy {
        reminder: Duration::from_hours(1),
        ..policy()
    });
    house.alert(firing("cpu"));
    house.delivered().unwrap();
    assert!(house.outbox.wake(moment(house.up)).is_some());
    assert_eq!(house.wait(3590), None);
    house.wait(10);
    let message = house.delivered().unwrap();
    assert_eq!(message.title, "Still critical on nas");
    house.alert(alert("cpu", Severity::Critical, AlertState::Acknowledged));
    house.wait(7200);
    assert_eq!(house.delivered(), None);
}

#[test]
fn alerts_that_vanished_unseen_are_over() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.delivered().unwrap();
    house.step(Input::All(Vec::new()));
    assert!(house.delivered().unwrap().title.starts_with("Resolved"));
    house.alert(firing("disk"));
    house.delivered().unwrap();
    house.step(Input::Cleared(Arc::new(resolved("disk"))));
    assert!(house.delivered().unwrap().title.starts_with("Resolved"));
}

#[test]
fn unreadable_records_are_passed_over() {
    let records = [
        ("notice/1".to_owned(), b"{".to_vec()),
        ("episode/x".to_owned(), b"[]".to_vec()),
        ("reply".to_owned(), b"{}".to_vec()),
    ];
    let outbox = Outbox::restore(policy(), &records, moment(0), 0);
    assert_eq!(outbox.waiting(), 0);
}

#[test]
fn a_clock_set_back_sends_nothing_twice_and_breaks_nothing() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    let back = Moment {
        wall: wall(0) - Duration::from_secs(1_000_000),
        up: Duration::from_secs(5),
    };
    let effects = house.outbox.step(back, Input::Tick);
    assert!(
        matches!(effects.as_slice(), [Effect::Send(_)]),
        "{effects:?}"
    );
}
