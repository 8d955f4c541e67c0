//! What becomes of messages that are not taken.

use super::*;

#[test]
fn a_crash_between_answer_and_note_repeats_under_the_same_key() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    let first = house.wait(5).unwrap();
    house.restart();
    let second = house.wait(5).unwrap();
    assert_eq!(first.key, second.key);
}

#[test]
fn a_long_absence_ends_in_one_digest() {
    let mut house = House::new(policy());
    let ids: Vec<String> = (0..60).map(|n| format!("part-{n}")).collect();
    let mut attempts = 0;
    for id in &ids {
        house.alert(firing(id));
        if house.wait(60).is_some() {
            attempts += 1;
            house.step(away());
        }
    }
    assert!(attempts > 10, "an absence ends by trying: {attempts}");
    for id in &ids[..30] {
        house.alert(resolved(id));
    }
    let digest = house.wait(200).unwrap();
    house.step(Input::Sent);
    assert_eq!(digest.title, "Digest of nas: 30 critical, 30 resolved");
    assert!(
        digest
            .body
            .starts_with("Nothing could be sent for 1 h 3 min."),
        "{}",
        digest.body
    );
    assert!(digest.body.ends_with("… and 40 more"), "{}", digest.body);
    assert!(digest.body.len() < 4_000);
    assert_eq!(house.outbox.waiting(), 0);
    assert_eq!(house.wait(3600), None, "no flood behind it");
    assert_eq!(house.health, [Some("no route".to_owned()), None]);
}

#[test]
fn a_short_absence_is_no_fault_and_no_digest() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.wait(5).unwrap();
    house.step(away());
    let message = house.wait(8).unwrap();
    assert_eq!(message.title, "Critical on nas");
    house.step(Input::Sent);
    assert_eq!(house.health, []);
}

#[test]
fn an_alert_that_came_and_went_unheard_is_told_as_over() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.wait(5).unwrap();
    house.step(away());
    house.alert(resolved("cpu"));
    let message = house.wait(10).unwrap();
    assert_eq!(message.title, "Over already on nas");
    assert_eq!(message.priority, 2);
}

#[test]
fn retries_slow_down_to_a_bound_and_honour_the_servers_wish() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.wait(5).unwrap();
    let mut last = 0;
    for _ in 0..20 {
        house.step(away());
        let wake = house.outbox.wake(moment(house.up)).unwrap().as_secs() + 1;
        last = wake - house.up;
        house.up = wake;
        assert!(house.step(Input::Tick).is_some());
    }
    assert!((90..=151).contains(&last), "{last}");
    house.step(Input::Failed(Failure::Away {
        text: "busy".to_owned(),
        after: Some(Duration::from_mins(30)),
    }));
    assert_eq!(house.wait(1799), None);
    assert!(house.wait(2).is_some());
}

#[test]
fn a_refusal_is_told_once_and_not_tried_for_ever() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.wait(5).unwrap();
    house.step(Input::Failed(Failure::Refused("403".to_owned())));
    assert_eq!(house.wait(86_400), None);
    assert_eq!(house.outbox.wake(moment(house.up)), None);
    house.alert(firing("disk"));
    house.wait(5).unwrap();
    house.step(Input::Failed(Failure::Refused("403".to_owned())));
    assert_eq!(house.health, [Some("403".to_owned())]);
    house.restart();
    let message = house.wait(5).unwrap();
    assert_eq!(message.open.len(), 2, "what was refused is not lost");
}

#[test]
fn a_message_that_is_refused_for_itself_is_dropped() {
    let mut house = House::new(policy());
    house.alert(firing("cpu"));
    house.wait(5).unwrap();
    house.step(Input::Failed(Failure::Unfit("413".to_owned())));
    assert_eq!(house.outbox.waiting(), 0);
    assert_eq!(house.health, [Some("413".to_owned())]);
}
