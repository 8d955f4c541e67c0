use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Action, AlertTarget, Origin};
use crate::push::Message;
use crate::push::buttons::{Buttons, Tickets};
use crate::push::reply::Replies;
use crate::store::Change;

use super::{START, wall};

/// Tickets that anybody could make; the real ones are checked where they are made.
struct Plain;

impl Tickets for Plain {
    fn issue(&self, alert: &str, expires: Timestamp) -> String {
        format!("{alert}~{}", expires.as_second())
    }

    fn verify(&self, ticket: &str, alert: &str, now: Timestamp) -> bool {
        ticket.split_once('~').is_some_and(|(id, expires)| {
            id == alert && expires.parse().is_ok_and(|at: i64| at > now.as_second())
        })
    }
}

fn message(open: &[&str]) -> Message {
    Message {
        key: "nas-1".to_owned(),
        title: String::new(),
        body: String::new(),
        priority: 5,
        tags: Vec::new(),
        open: open
            .iter()
            .map(|id| ((*id).to_owned(), format!("health/{id}")))
            .collect(),
    }
}

fn buttons(buttons: &Buttons, open: &[&str]) -> serde_json::Value {
    serde_json::to_value(buttons.of(&message(open), wall(0), &Plain)).unwrap()
}

#[test]
fn buttons_go_to_rest_when_it_is_public() {
    let rest = Buttons::Rest("https://home.example".to_owned());
    let one = buttons(&rest, &["hot cpu"]);
    let expires = START + 7 * 86_400;
    assert_eq!(one[0]["action"], "http");
    assert_eq!(one[0]["label"], "Acknowledge");
    assert_eq!(one[0]["method"], "POST");
    assert_eq!(one[0]["clear"], true);
    assert_eq!(
        one[0]["url"],
        format!("https://home.example/api/v1/alerts/hot%20cpu/ack?ticket=hot%20cpu~{expires}")
    );
    assert_eq!(one[1]["label"], "Snooze 2 h");
    let url = one[1]["url"].as_str().unwrap();
    assert!(url.contains("/alerts/hot%20cpu/silence?ticket="), "{url}");
    assert_eq!(one[1]["body"], r#"{"by":"ntfy","for":"2h"}"#);
    assert_eq!(one[1]["headers"]["Content-Type"], "application/json");
    let five = buttons(&rest, &["a", "b", "c", "d", "e"]);
    assert_eq!(five.as_array().unwrap().len(), 3, "ntfy shows no more");
    assert_eq!(buttons(&rest, &[]), serde_json::json!([]));
    assert_eq!(buttons(&Buttons::Off, &["a"]), serde_json::json!([]));
}

#[test]
fn buttons_go_to_the_reply_topic_otherwise_and_carry_no_credentials_but_the_replys_own() {
    let topic = |token| Buttons::Topic {
        url: "https://ntfy.sh/r".to_owned(),
        token,
    };
    let plain = buttons(&topic(None), &["cpu"]);
    assert_eq!(plain[0]["url"], "https://ntfy.sh/r");
    assert_eq!(plain[0].get("headers"), None);
    let secret = crate::config::Secret::new("tk_reply".to_owned());
    let with = buttons(&topic(Some(secret)), &["cpu", "disk"]);
    assert_eq!(with.as_array().unwrap().len(), 1);
    assert_eq!(with[0]["label"], "Acknowledge 2");
    assert_eq!(with[0]["headers"]["Authorization"], "Bearer tk_reply");
    assert_eq!(with[0]["body"].as_str().unwrap().lines().count(), 2);
    assert_eq!(buttons(&topic(None), &[]), serde_json::json!([]));
}

fn replies() -> Replies {
    Replies::restore(None, "house", None, wall(0), [7; 16])
}

#[test]
fn each_press_counts_once_even_over_a_restart() {
    let ticket = Plain.issue("cpu", wall(60));
    let mut replies = replies();
    let acks = replies.read(&format!("ack cpu {ticket}"), wall(1), &Plain);
    assert_eq!(acks.len(), 1);
    assert_eq!(acks[0].name, "alert/cpu/ack");
    assert_eq!(acks[0].origin, Origin::Push);
    assert!(
        matches!(&acks[0].action, Action::Ack { target: AlertTarget::One(id), .. } if id == "cpu")
    );
    let snoozes = replies.read(&format!("snooze cpu {ticket}"), wall(1), &Plain);
    assert!(
        matches!(&snoozes[0].action, Action::SilenceAlert { alert, for_ }
            if alert == "cpu" && *for_ == Duration::from_hours(2))
    );
    let Change::Put(_, _, record) = replies.put() else {
        panic!()
    };
    let mut after = Replies::restore(Some(&record), "house", None, wall(9), [8; 16]);
    assert_eq!(after, replies);
    assert_eq!(
        after.read(&format!("ack cpu {ticket}"), wall(2), &Plain),
        []
    );
}

#[test]
fn forged_expired_and_malformed_presses_count_for_nothing() {
    let ticket = Plain.issue("cpu", wall(60));
    let mut replies = replies();
    for (body, at) in [
        (format!("ack disk {ticket}"), 1),
        (format!("ack cpu {ticket}"), 61),
        (format!("reboot cpu {ticket}"), 1),
        (format!("ack cpu {ticket} more"), 1),
        ("ack cpu".to_owned(), 1),
        ("ack cpu ticket".to_owned(), 1),
        (String::new(), 1),
        ("\u{0}\u{1F525}".repeat(2000), 1),
    ] {
        assert_eq!(replies.read(&body, wall(at), &Plain), [], "{body:?}");
    }
}

#[test]
fn the_reply_topic_cannot_be_guessed_is_kept_and_follows_the_configuration() {
    let first = replies();
    assert_eq!(first.topic, format!("house-reply-{}", "07".repeat(16)));
    let Change::Put(_, _, record) = first.put() else {
        panic!()
    };
    let again = |topic: &str, reply: Option<&str>| {
        Replies::restore(Some(&record), topic, reply, wall(5), [9; 16]).topic
    };
    assert_eq!(again("house", None), first.topic);
    assert!(again("other", None).starts_with("other-reply-0909"));
    assert_eq!(again("house", Some("mine")), "mine");
    assert!(again(&"x".repeat(64), None).len() <= 64);
}

#[test]
fn the_tickets_of_the_rest_bridge_serve_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let key = crate::http::TicketKey::load(dir.path()).unwrap();
    let ticket = Tickets::issue(&key, "cpu", wall(60));
    let mut replies = replies();
    let forged = format!("ack disk {ticket}");
    assert_eq!(replies.read(&forged, wall(1), &key), []);
    let press = format!("ack cpu {ticket}");
    assert_eq!(replies.read(&press, wall(61), &key), []);
    assert_eq!(replies.read(&press, wall(1), &key).len(), 1);
}
