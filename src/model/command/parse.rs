use super::body::{Body, MAX_NOTE, MAX_WORD, limited};
use super::words::{self, Verb};
use super::{Action, AlertTarget, Command, CommandResult, Origin};

impl Command {
    /// Understands the words below `cmd/` and the payload: empty, plain text, or a JSON object of
    /// `id`, `by`, `note`, `for` and `subjects`; other keys are let be. Plain text is the note of
    /// an acknowledgment and the duration of a silence.
    ///
    /// The error is the finished answer: it says what is wrong and what would be right.
    pub fn parse(name: &str, payload: &[u8], origin: Origin) -> Result<Self, CommandResult> {
        let mut id = None;
        read(name, payload, &mut id)
            .map(|(by, action)| Self {
                id: id.clone(),
                by,
                name: name.to_owned(),
                action,
                origin,
            })
            .map_err(|error| CommandResult {
                id,
                command: name.to_owned(),
                ok: false,
                error: Some(error),
                detail: None,
            })
    }
}

/// Fills `id` as soon as it is readable, so that every refusal carries it.
fn read(
    name: &str,
    payload: &[u8],
    id: &mut Option<String>,
) -> Result<(Option<String>, Action), String> {
    let body = Body::read(payload)?;
    *id = body.id()?;
    let (verb, told) = words::find(name).ok_or_else(|| words::unknown(name))?;
    let by = body.text("by", MAX_WORD)?;
    let action = match verb {
        Verb::Ack => Action::Ack {
            target: target(told),
            note: match &body {
                Body::Text(text) => limited("note", text, MAX_NOTE)?,
                Body::Empty | Body::Object(_) => body.text("note", MAX_NOTE)?,
            },
            for_: body.length()?.filter(|length| !length.is_zero()),
        },
        Verb::Unack => Action::Unack {
            target: target(told),
        },
        Verb::SilenceAlert if told == "all" => {
            return Err("silence names one alert; \"maintenance\" holds for all".to_owned());
        }
        Verb::SilenceAlert => Action::SilenceAlert {
            alert: told.to_owned(),
            for_: body.needed_length("silence")?,
        },
        Verb::SilenceRule => Action::SilenceRule {
            rule: told.to_owned(),
            for_: body.needed_length("silence")?,
        },
        Verb::Maintenance => Action::Maintenance {
            for_: body.needed_length("maintenance")?,
            subjects: body.subjects()?,
        },
        Verb::Order(verb) => Action::Order(body.order(verb, told)),
    };
    Ok((by, action))
}

fn target(told: &str) -> AlertTarget {
    match told {
        "all" => AlertTarget::All,
        one => AlertTarget::One(one.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::command::body::MAX_PAYLOAD;
    use proptest::prelude::*;

    fn parse(name: &str, payload: &str) -> Result<Command, CommandResult> {
        Command::parse(name, payload.as_bytes(), Origin::Push)
    }

    fn action(name: &str, payload: &str) -> Action {
        parse(name, payload).unwrap().action
    }

    #[test]
    fn every_command_that_is_carried_out_is_understood() {
        let cpu = || AlertTarget::One("cpu".to_owned());
        let ack = |target, note: Option<&str>, for_| Action::Ack {
            target,
            note: note.map(str::to_owned),
            for_,
        };
        let two_hours = Duration::from_hours(2);
        assert_eq!(action("alert/cpu/ack", ""), ack(cpu(), None, None));
        assert_eq!(
            action("alert/cpu/ack", " on it \n"),
            ack(cpu(), Some("on it"), None)
        );
        assert_eq!(
            action(
                "alert/cpu/ack",
                r#"{"by":"Ann","note":"on it","for":"2h","x":1}"#
            ),
            ack(cpu(), Some("on it"), Some(two_hours))
        );
        assert_eq!(
            action("alert/all/ack", "{}"),
            ack(AlertTarget::All, None, None)
        );
        assert_eq!(
            action("alert/cpu/unack", ""),
            Action::Unack { target: cpu() }
        );
        for payload in ["2h", r#"{"for":"2h"}"#] {
            assert_eq!(
                action("alert/cpu/silence", payload),
                Action::SilenceAlert {
                    alert: "cpu".to_owned(),
                    for_: two_hours
                }
            );
            assert_eq!(
                action("rule/disk_hot/silence", payload),
                Action::SilenceRule {
                    rule: "disk_hot".to_owned(),
                    for_: two_hours
                }
            );
            assert_eq!(
                action("maintenance", payload),
                Action::Maintenance {
                    for_: two_hours,
                    subjects: Vec::new()
                }
            );
        }
        assert_eq!(
            action("maintenance", r#"{"for":"0s","subjects":["health/fs-*"]}"#),
            Action::Maintenance {
                for_: Duration::ZERO,
                subjects: vec!["health/fs-*".to_owned()]
            }
        );
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_would_be_right() {
        let long = "x".repeat(1_001);
        let big = " ".repeat(MAX_PAYLOAD + 1);
        let many = format!(
            r#"{{"for":"1h","subjects":[{}"a/b"]}}"#,
            r#""a/b","#.repeat(64)
        );
        for (name, payload, want) in [
            ("", "", "there are alert/<alert id>/ack"),
            ("alert/cpu/akc", "", "did you mean \"alert/cpu/ack\"?"),
            (
                "alrt/cpu/silence",
                "2h",
                "did you mean \"alert/cpu/silence\"?",
            ),
            ("alert//ack", "", "did you mean \"alert/<alert id>/ack\"?"),
            ("alert/cpu", "", "is not a command"),
            ("alert/cpu/ack/now", "", "is not a command"),
            ("maintenence", "2h", "did you mean \"maintenance\"?"),
            ("alert/cpu/ack", "{\"by\":", "starts like JSON but is not"),
            ("alert/cpu/ack", r#"{"note":1}"#, "note (1) must be text"),
            (
                "alert/cpu/ack",
                r#"{"by":["a"]}"#,
                "by ([\"a\"]) must be text",
            ),
            ("alert/cpu/ack", r#"{"id":{}}"#, "id ({}) must be text"),
            (
                "alert/cpu/ack",
                r#"{"for":3600}"#,
                "for (3600) must be a duration",
            ),
            (
                "alert/cpu/ack",
                r#"{"for":"soon"}"#,
                "for (\"soon\") must be a duration",
            ),
            (
                "alert/cpu/ack",
                &long,
                "note must be at most 1000 characters",
            ),
            ("alert/cpu/ack", &big, "longer than 65536 bytes"),
            ("alert/cpu/silence", "", "silence needs to know how long"),
            ("alert/cpu/silence", "400d", "at most 366d"),
            ("alert/all/silence", "2h", "maintenance"),
            ("maintenance", "{}", "maintenance needs to know how long"),
            (
                "maintenance",
                r#"{"for":"1h","subjects":"health/cpu"}"#,
                "a list of subjects",
            ),
            (
                "maintenance",
                r#"{"for":"1h","subjects":["cpu"]}"#,
                "a list of subjects",
            ),
            (
                "maintenance",
                r#"{"for":"1h","subjects":[7]}"#,
                "a list of subjects",
            ),
            (
                "maintenance",
                r#"{"for":"1h","subjects":[]}"#,
                "a list of subjects",
            ),
            ("maintenance", &many, "at most 64"),
        ] {
            let result = parse(name, payload).unwrap_err();
            let error = result.error.unwrap();
            assert!(!result.ok && result.command == name, "{name}");
            assert!(error.contains(want), "{name} {payload:.40}: {error}");
        }
    }

    #[test]
    fn orders_keep_their_payload_for_the_part_that_takes_them() {
        for (name, payload, want) in [
            ("host/reboot", "", ("host/reboot", "", None, 0)),
            ("fan/case/set", "auto", ("fan/set", "case", Some("auto"), 0)),
            (
                "report/power",
                r#"{"period":"day"}"#,
                ("report", "power", None, 1),
            ),
        ] {
            let Action::Order(order) = parse(name, payload).unwrap().action else {
                panic!("{name} is no order")
            };
            let told = (
                order.verb,
                &*order.target,
                order.text.as_deref(),
                order.fields.len(),
            );
            assert_eq!(told, want);
        }
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let binary = Command::parse("alert/cpu/ack", &[0xff, 0xfe], Origin::Push).unwrap_err();
        assert!(binary.error.unwrap().contains("UTF-8"));
    }

    #[test]
    fn the_answer_carries_the_senders_id_also_when_refused() {
        for (payload, want) in [
            (r#"{"id":"a1","note":1}"#, Some("a1")),
            (r#"{"id":7,"for":"x"}"#, Some("7")),
            (r#"{"id":null,"for":"x"}"#, None),
        ] {
            let result = parse("alert/cpu/ack", payload).unwrap_err();
            assert_eq!(result.id.as_deref(), want, "{payload}");
        }
        let unknown = parse("nonsense", r#"{"id":"a1"}"#).unwrap_err();
        assert_eq!(unknown.id.as_deref(), Some("a1"));
        assert_eq!(
            parse("alert/x/ack", r#"{"id":"a1"}"#)
                .unwrap()
                .id
                .as_deref(),
            Some("a1")
        );
    }

    #[test]
    fn who_asked_is_known_even_if_the_sender_does_not_say() {
        let token = "phone".to_owned();
        let mqtt = Origin::Mqtt {
            edge: "broker",
            reply: None,
        };
        for (origin, payload, want) in [
            (Origin::Rest { token }, "", "phone"),
            (mqtt, "", "MQTT"),
            (Origin::Push, "", "push"),
            (Origin::Push, r#"{"by":"Ann"}"#, "Ann"),
        ] {
            let command = Command::parse("alert/all/ack", payload.as_bytes(), origin).unwrap();
            assert_eq!(command.sender(), want);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(name in "\\PC*", payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _answer = Command::parse(&name, &payload, Origin::Push);
        }

        #[test]
        fn no_words_are_too_strange(
            name in "(alert|rule|maintenance|a|é|/|ack|silence|all){0,6}",
            payload in r#"\{("(id|by|for|note|subjects)":("[0-9a-z]{0,4}"|[0-9]{1,3}|\[\]|null|\{\}),?){0,4}\}?"#,
        ) {
            let _answer = Command::parse(&name, payload.as_bytes(), Origin::Push);
        }
    }
}
