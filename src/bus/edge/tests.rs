use super::*;

fn topics() -> Topics {
    Topics::new("homewatch", "nas", "homeassistant")
}

fn hear(topic: &str, payload: &str, retain: bool) -> Received {
    let incoming = Incoming {
        topic: topic.into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        retain,
        reply: None,
    };
    received("broker", &topics(), incoming)
}

#[test]
fn births_and_the_status_of_nodes_are_told_from_the_rest() {
    let node = |name: &str, online| Received::NodeStatus {
        name: name.into(),
        online,
    };
    for (topic, payload, retain, want) in [
        ("homeassistant/status", "online", false, Received::Birth),
        ("homeassistant/status", "offline", false, Received::Other),
        ("homewatch/pi/status", "online", true, node("pi", true)),
        ("homewatch/pi/status", "offline", false, node("pi", false)),
        ("homewatch/pi/status", "", false, Received::Other),
        (
            "homewatch/Not A Slug/status",
            "online",
            false,
            Received::Other,
        ),
        (
            "homewatch/nas/status",
            "offline",
            false,
            Received::OwnOffline,
        ),
        ("homewatch/nas/status", "offline", true, Received::Other),
        ("homewatch/nas/status", "online", false, Received::Other),
        ("homewatch/nas/cmd/alert/all/ack", "", true, Received::Other),
        ("homewatch/pi/cmd/alert/all/ack", "", false, Received::Other),
        (
            "homewatch/nas/alert/hot-cpu",
            "{}",
            true,
            Received::KeptAlert("hot-cpu".into()),
        ),
        ("homewatch/nas/alert/hot-cpu", "{}", false, Received::Other),
        ("homewatch/nas/alert/hot-cpu", "", true, Received::Other),
        ("homewatch/pi/alert/hot-cpu", "{}", true, Received::Other),
        ("elsewhere", "x", false, Received::Other),
    ] {
        assert_eq!(hear(topic, payload, retain), want, "{topic} {payload}");
    }
}

#[test]
fn an_answer_goes_to_the_sender_only_by_its_own_edge_and_never_into_our_topics() {
    let answer = |topic: &str| Answer {
        result: CommandResult {
            id: None,
            command: "x".into(),
            ok: true,
            error: None,
            detail: None,
        },
        reply: Some((
            "broker",
            ReplyTo {
                topic: topic.into(),
                correlation: Some(Bytes::from_static(b"c")),
            },
        )),
    };
    let sent = |edge, topic: &str| answers(edge, &topics(), &answer(topic)).len();
    assert_eq!(sent("broker", "a/b"), 2);
    assert_eq!(sent("embedded", "a/b"), 1);
    for bad in [
        "",
        "a/#",
        "+",
        "$SYS/x",
        "homewatch/nas/health/cpu",
        "homewatch/pi/status",
        "homeassistant/device/x/config",
    ] {
        assert_eq!(sent("broker", bad), 1, "{bad}");
    }
}

#[test]
fn too_many_commands_are_answered_and_not_waited_for() {
    let (bus, requests) = Bus::new(State::new(std::time::Duration::from_mins(5)));
    drop(requests);
    let mut listener = bus.listen();
    let command = Command {
        id: Some("1".into()),
        by: None,
        name: "alert/all/ack".into(),
        action: crate::model::Action::Unack {
            target: crate::model::AlertTarget::All,
        },
        origin: Origin::Push,
    };
    bus.submit(command);
    let heard = futures_util::FutureExt::now_or_never(listener.next()).unwrap();
    let crate::bus::Heard::Event(Event::Answered(answer)) = heard else {
        panic!("no answer")
    };
    assert!(!answer.result.ok);
    assert_eq!(
        answer.result.error.as_deref(),
        Some("homewatch is stopping")
    );
}
