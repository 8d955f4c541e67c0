use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What may happen in a house.
#[derive(Debug, Clone)]
enum Act {
    Temperature(u8, f64),
    Gone,
    Fails,
    Node(bool),
    Wait(u64),
    Ack,
    AckFor,
    Unack,
    Silence,
    Maintenance,
    EndMaintenance,
    Restart,
    Jump(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0..2_u8, 70.0..120.0).prop_map(|(which, celsius)| Act::Temperature(which, celsius)),
        1 => Just(Act::Gone),
        1 => Just(Act::Fails),
        1 => any::<bool>().prop_map(Act::Node),
        8 => (1..4_000_u64).prop_map(Act::Wait),
        2 => Just(Act::Ack),
        1 => Just(Act::AckFor),
        1 => Just(Act::Unack),
        1 => Just(Act::Silence),
        1 => Just(Act::Maintenance),
        1 => Just(Act::EndMaintenance),
        1 => Just(Act::Restart),
        1 => (0..4_000_000_000_i64).prop_map(Act::Jump),
    ]
}

fn perform(house: &mut House, act: &Act) {
    let id = format!("alert/{ID}");
    let both = |which: &u8, celsius: f64| {
        let (cpu, board) = if *which == 0 {
            (celsius, 60.0)
        } else {
            (60.0, celsius)
        };
        vec![
            temperature("temp-cpu", cpu),
            temperature("temp-board", board),
        ]
    };
    let command = |house: &mut House, name: &str, payload: &str| {
        // A refusal is an answer like any other here.
        let _refused: Result<(), String> = house.command(name, payload);
    };
    match act {
        Act::Temperature(which, celsius) => house.read(both(which, *celsius)),
        Act::Gone => house.read(Vec::new()),
        Act::Fails => house.batch("hwmon", Err("bus error")),
        Act::Node(online) => house.node("pi", *online),
        Act::Wait(seconds) => house.pass(secs(*seconds)),
        Act::Ack => command(house, "alert/all/ack", ""),
        Act::AckFor => command(house, &format!("{id}/ack"), r#"{"for":"20m"}"#),
        Act::Unack => command(house, &format!("{id}/unack"), ""),
        Act::Silence => command(house, &format!("{id}/silence"), "15m"),
        Act::Maintenance => command(house, "maintenance", "30m"),
        Act::EndMaintenance => command(house, "maintenance", "0s"),
        Act::Restart => house.restart(secs(5)),
        Act::Jump(seconds) => {
            house.now.wall = Timestamp::from_second(*seconds).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_the_promises_hold(acts in prop::collection::vec(act(), 1..120)) {
        let mut house = House::new(configured(HOT));
        // The condition of each alert that was acknowledged without a time and is not over yet.
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for act in &acts {
            let told_before = house.told.len();
            perform(&mut house, act);
            for (id, state) in house.told.iter().skip(told_before) {
                if *state == AlertState::Resolved {
                    seen.remove(id);
                }
                let quiet = !(seen.contains(id) && *state == AlertState::Firing);
                prop_assert!(quiet || matches!(act, Act::Unack), "{id} fired while acknowledged");
            }
            #[expect(clippy::wildcard_enum_match_arm, reason = "only these acknowledge")]
            match act {
                Act::Ack => {
                    let acked = |alert: &&Alert| alert.state == AlertState::Acknowledged;
                    seen.extend(house.alerts.values().filter(acked).map(|a| a.id.clone()));
                }
                Act::AckFor | Act::Unack => {
                    seen.remove(ID);
                }
                _ => {}
            }
            seen.retain(|id| house.alerts.contains_key(id));

            let mut subjects: Vec<(&str, &str)> = house
                .alerts
                .values()
                .map(|alert| (alert.rule.as_str(), alert.subject.as_str()))
                .collect();
            let all = subjects.len();
            subjects.sort_unstable();
            subjects.dedup();
            prop_assert_eq!(subjects.len(), all, "two alerts for one thing");
            for alert in house.alerts.values() {
                let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
                prop_assert!(alert.id.bytes().all(fit), "{}", alert.id);
                prop_assert_eq!(
                    alert.acknowledged_by.is_some(),
                    alert.state == AlertState::Acknowledged
                );
                prop_assert_eq!(alert.count == 0, alert.state == AlertState::Pending);
                // What is told is what is kept, but for what only pends.
                let kept = house.records.contains_key(&alert.id);
                prop_assert_eq!(kept, alert.state != AlertState::Pending, "{:?}", alert);
            }
            prop_assert!(house.records.keys().all(|id| house.alerts.contains_key(id)));
            let next = house.engine.next_deadline();
            prop_assert!(next.is_none_or(|next| next > house.now.up), "a deadline in the past");
        }
    }
}
