use super::*;
use crate::meter::figures::WHOLE;
use proptest::prelude::*;

fn track(feeds_in: bool) -> Track {
    Track::new(Limits {
        max_w: 4000.0,
        feeds_in,
        one_outlet: false,
        power: 1.0,
        energy: 1.0,
        silent_after: Duration::from_mins(15),
    })
}

fn view(track: &Track, now: Instant) -> Option<View> {
    match track.look(now) {
        Look::Live(view) => Some(view),
        Look::NeverHeard | Look::Offline | Look::Silent(_) => None,
    }
}

fn wild() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        4 => (0.0..5000.0).prop_map(Some),
        1 => any::<f64>().prop_map(Some),
    ]
}

fn figures() -> impl Strategy<Value = Figures> {
    (
        wild(),
        wild(),
        wild(),
        wild(),
        wild(),
        any::<Option<bool>>(),
    )
        .prop_map(
            |(power_w, energy_kwh, returned_kwh, voltage_v, current_a, relay)| Figures {
                power_w,
                energy_kwh,
                returned_kwh,
                voltage_v,
                current_a,
                relay,
                ..Figures::default()
            },
        )
}

proptest! {
    /// Whatever a meter says: what is told of it is a number within its bounds, its energy
    /// never goes back, and silence is silence.
    #[test]
    fn nothing_absurd_is_ever_told(
        said in prop::collection::vec((prop_oneof![0u8..3, Just(WHOLE)], figures(), 1u64..2000, any::<bool>()), 1..60),
        feeds_in in any::<bool>(),
    ) {
        let mut track = track(feeds_in);
        let (mut now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let (mut energy, mut returned) = (0.0, 0.0);
        for (part, figures, seconds, retained) in said {
            now += Duration::from_secs(seconds);
            let heard = Heard::part(part, figures);
            let empty = heard.parts.is_empty();
            track.hear(&heard, retained, now, at);
            let Some(view) = view(&track, now) else {
                prop_assert!(retained || empty, "it has just spoken");
                continue;
            };
            let told = view.figures;
            if let Some(watts) = told.power_w {
                let least = if feeds_in { -4000.0 } else { 0.0 };
                prop_assert!((least..=4000.0).contains(&watts), "{watts} W");
            }
            for (last, new) in [(&mut energy, told.energy_kwh), (&mut returned, told.returned_kwh)] {
                if let Some(new) = new {
                    prop_assert!(new.is_finite() && new >= *last, "{new} after {last}");
                    *last = new;
                }
            }
            for figure in [told.voltage_v, told.current_a].into_iter().flatten() {
                prop_assert!(figure.is_finite());
            }
            let later = now + Duration::from_mins(16);
            prop_assert!(matches!(track.look(later), Look::Silent(_)));
        }
    }
}

#[test]
fn what_is_kept_is_taken_up_and_nonsense_is_not() {
    let now = Instant::now();
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let mut before = track(false);
    assert_eq!(before.record(at), None);
    let figures = Figures {
        power_w: Some(60.0),
        energy_kwh: Some(7.0),
        returned_kwh: Some(1.0),
        ..Figures::default()
    };
    before.hear(&Heard::part(0, figures), false, now, at);
    let kept = serde_json::to_string(&before.record(at)).unwrap();
    let record: Record = serde_json::from_str(&kept).unwrap();
    let mut after = track(false);
    after.restore(&record, at, now);
    assert_eq!(view(&after, now), None, "nobody has spoken yet");
    after.hear(&Heard::part(0, figures), false, now, at);
    let told = view(&after, now).unwrap().figures;
    assert_eq!((told.energy_kwh, told.returned_kwh), (Some(7.0), Some(1.0)));
    let odd = r#"{"at":"2020-01-01T00:00:00Z","integral":0.5,"parts":{"0":[[1.0,-5.0],null]}}"#;
    let record: Record = serde_json::from_str(odd).unwrap();
    let mut other = track(false);
    other.restore(&record, at, now);
    other.hear(&Heard::part(0, figures), false, now, at);
    // The counter is a late one then; what was integrated before stays.
    assert_eq!(view(&other, now).unwrap().figures.energy_kwh, Some(0.5));
}
