//! The words of a UPS's status, a set, made steady.

use std::collections::{BTreeMap, BTreeSet};

/// A word must be away for so many looks before it is gone: data that comes and goes on a bad
/// cable, and the seconds around a change, are no news.
const LOOKS_AWAY: u8 = 2;
/// A status that says nothing is passed over for so many looks.
const LOOKS_EMPTY: u8 = 3;

/// The words of `state`, the gravest that applies. `shutting_down` is NUT's forced shutdown;
/// `off` feeds nothing; `unknown` says nothing that is known; `lost` cannot be asked; `testing`
/// tests its battery.
pub(super) const STATES: &[&str] = &[
    "on_mains",
    "on_battery",
    "low_battery",
    "shutting_down",
    "bypass",
    "off",
    "unknown",
    "lost",
    "testing",
];

/// The words of a status over time. What is new counts at once; what is gone a look later.
#[derive(Debug, Default)]
pub(super) struct Steady {
    words: BTreeSet<String>,
    away: BTreeMap<String, u8>,
    empty: u8,
}

impl Steady {
    /// Takes a look's words in and returns those that count.
    pub(super) fn step(&mut self, status: &str) -> Words {
        let told: BTreeSet<_> = status.split_whitespace().map(str::to_uppercase).collect();
        let says = told.iter().any(|word| word != "WAIT");
        self.empty = if says {
            0
        } else {
            self.empty.saturating_add(1)
        };
        if !says && self.empty < LOOKS_EMPTY {
            return Words(self.words.clone());
        }
        let mut away = std::mem::take(&mut self.away);
        for word in self.words.difference(&told) {
            let looks = away.remove(word).unwrap_or_default().saturating_add(1);
            // Of what is good nothing is held back.
            if looks < LOOKS_AWAY && word != "OL" && says {
                self.away.insert(word.clone(), looks);
            }
        }
        self.words = told.into_iter().chain(self.away.keys().cloned()).collect();
        Words(self.words.clone())
    }
}

/// The words that count now.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Words(BTreeSet<String>);

impl Words {
    pub(super) fn has(&self, word: &str) -> bool {
        self.0.contains(word)
    }

    /// The gravest that applies.
    pub(super) fn state(&self, testing: bool) -> &'static str {
        let grave = [("FSD", "shutting_down"), ("LB", "low_battery")];
        let rest = [
            ("OB", "on_battery"),
            ("OFF", "off"),
            ("BYPASS", "bypass"),
            ("OL", "on_mains"),
        ];
        let find = |words: &[(&str, &'static str)]| {
            let word = words.iter().find(|(word, _)| self.has(word));
            word.map(|(_, state)| *state)
        };
        find(&grave)
            .or_else(|| testing.then_some("testing"))
            .or_else(|| find(&rest))
            .unwrap_or("unknown")
    }

    /// What it does to the voltage.
    pub(super) fn regulation(&self) -> &'static str {
        match (self.has("TRIM"), self.has("BOOST")) {
            (true, _) => "trim",
            (_, true) => "boost",
            _ => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_word_is_the_state() {
        for (status, testing, state) in [
            ("OL CHRG", false, "on_mains"),
            ("OL HE", false, "on_mains"),
            ("OB DISCHRG", false, "on_battery"),
            ("OL LB OVER RB BOOST", false, "low_battery"),
            ("ALARM OB LB", true, "low_battery"),
            ("FSD OL", false, "shutting_down"),
            ("OL OFF", false, "off"),
            ("OL CAL", true, "testing"),
            ("BYPASS", false, "bypass"),
            ("ol chrg", false, "on_mains"),
            ("WAIT", false, "unknown"),
            ("ALARM", false, "unknown"),
            ("", false, "unknown"),
        ] {
            let words = Steady::default().step(status);
            assert_eq!(words.state(testing), state, "{status}");
        }
    }

    #[test]
    fn what_is_worse_counts_at_once_and_what_is_better_a_look_later() {
        let mut steady = Steady::default();
        let states = ["OL", "OB", "OL", "OB LB", "OL", "OL", "OL"];
        let states = states.map(|status| steady.step(status).state(false));
        let want = [
            "on_mains",
            "on_battery",
            "on_battery",
            "low_battery",
            "low_battery",
            "on_mains",
            "on_mains",
        ];
        assert_eq!(states, want);
    }

    #[test]
    fn a_status_that_says_nothing_is_passed_over_but_not_for_long() {
        let mut steady = Steady::default();
        let states = ["OB", "", "WAIT", "", "OL"].map(|status| steady.step(status).state(false));
        let want = [
            "on_battery",
            "on_battery",
            "on_battery",
            "unknown",
            "on_mains",
        ];
        assert_eq!(states, want);
    }

    #[test]
    fn a_voltage_is_cut_raised_or_left_alone() {
        for (status, what) in [("OL TRIM", "trim"), ("OL BOOST", "boost"), ("OL", "none")] {
            assert_eq!(Steady::default().step(status).regulation(), what);
        }
    }
}
