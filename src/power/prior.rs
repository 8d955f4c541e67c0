//! What is assumed of a machine of which nothing was measured.

use super::Curve;

/// What is assumed of a machine of which nothing was measured: what its kind draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// Idle and full load of its kind.
    pub curve: Curve,
    /// Nine in ten of its kind draw between a `spread`-th and `spread` times as much.
    pub spread: f64,
    /// What it was judged by, for people.
    pub basis: String,
}

/// What is known of a machine's kind without measuring anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kind {
    /// What the firmware calls the board (`Raspberry Pi 4 Model B Rev 1.4`), if it has a device
    /// tree; ordinary computers have none.
    pub board: Option<String>,
    /// What the processor calls itself (`Intel(R) N100`), on ordinary computers.
    pub processor: Option<String>,
    /// Whether it runs in a virtual machine: then its watts are a share of its host's.
    pub is_virtual: bool,
}

/// A kind of machine: how its name begins or what is in it, and what it draws at the plug, idle
/// and with every core busy, W.
type Known = (&'static str, f64, f64);

/// Boards. Those of the Raspberry Pi: what its maker's documentation tells of each bare board idle
/// and under stress, 5 V times A, with the loss of a usual supply (15 %) and nothing attached. The
/// others: what their makers' wikis tell, measured before the supply.
const BOARDS: [Known; 20] = [
    ("Raspberry Pi Zero 2", 1.0, 3.2),
    ("Raspberry Pi Zero", 0.7, 1.6),
    ("Raspberry Pi 2", 1.5, 3.6),
    ("Raspberry Pi 3", 2.2, 6.0),
    ("Raspberry Pi Compute Module 3", 1.4, 4.5),
    ("Raspberry Pi Compute Module 4", 2.7, 7.0),
    ("Raspberry Pi Compute Module 5", 3.2, 10.5),
    ("Raspberry Pi 400", 3.4, 8.0),
    ("Raspberry Pi 4", 3.2, 7.3),
    ("Raspberry Pi 500", 3.6, 10.5),
    ("Raspberry Pi 5", 3.6, 11.0),
    ("Raspberry Pi", 2.0, 6.0),
    ("Hardkernel ODROID-C4", 2.2, 5.5),
    ("Hardkernel ODROID-N2", 2.4, 6.5),
    ("Hardkernel ODROID-HC4", 2.8, 6.5),
    ("Pine64 Rock64", 1.8, 5.5),
    ("Pine64 RockPro64", 3.0, 10.0),
    ("Radxa ROCK 5", 2.5, 12.0),
    ("Xunlong Orange Pi 5", 2.2, 11.0),
    ("FriendlyElec NanoPi R", 2.0, 7.0),
];

/// Processors of small computers that run at home for years, with the machine that is usual around
/// them (one SSD, no disk that turns): as reviews of such machines tell that have measured at the
/// plug. A larger machine around the same processor lies in their wider spread.
const PROCESSORS: [Known; 13] = [
    ("N100", 7.0, 24.0),
    ("N95", 8.0, 28.0),
    ("N97", 7.5, 27.0),
    ("N150", 7.0, 26.0),
    ("i3-N305", 8.0, 38.0),
    ("N5105", 8.0, 22.0),
    ("N6005", 8.0, 24.0),
    ("J4125", 7.0, 18.0),
    ("J4105", 7.0, 18.0),
    ("J5005", 7.5, 20.0),
    ("J3455", 8.0, 19.0),
    ("N54L", 25.0, 42.0),
    ("GX-412TC", 5.0, 9.0),
];
/// Classes of processors by the letter after their number: mobile ones (`i5-8250U`), those of
/// little desktops (`i5-8500T`), AMD's mobile ones (`Ryzen 7 5800U`).
const CLASSES: [(&str, &str, f64, f64); 3] = [
    ("Core", "U", 7.0, 42.0),
    ("Core", "T", 10.0, 60.0),
    ("Ryzen", "U", 7.0, 45.0),
];

impl Prior {
    /// What is assumed of a machine of that kind with so many logical processors.
    pub fn of(kind: &Kind, threads: f64) -> Self {
        let threads = threads.clamp(1.0, 1024.0);
        let (idle_w, max_w, spread, basis) = if kind.is_virtual {
            let idle_w = 11.0 + threads;
            let basis = format!(
                "a virtual machine, as if it were a machine of its own, with {threads} threads"
            );
            (idle_w, idle_w * 3.7, 2.5, basis)
        } else if let Some(board) = &kind.board {
            let known = BOARDS.iter().find(|(name, ..)| board.starts_with(name));
            if let Some((_, idle_w, max_w)) = known {
                (*idle_w, *max_w, 1.6, board.clone())
            } else {
                let idle_w = 2.0 + 0.3 * threads;
                let basis = format!("a board with {threads} cores");
                (idle_w, idle_w * 3.0, 2.5, basis)
            }
        } else if let Some((processor, idle_w, max_w)) = kind.processor() {
            (idle_w, max_w, 2.0, format!("a machine with {processor}"))
        } else {
            // Between an idle small machine's 10 W and a server's watt a thread; at full load the
            // median machine of SPEC's list draws 3.7 times its idle watts.
            let idle_w = 11.0 + threads;
            let basis = format!("a machine with {threads} threads");
            (idle_w, idle_w * 3.7, 2.5, basis)
        };
        Self {
            curve: Curve { idle_w, max_w },
            spread,
            basis,
        }
    }

    /// Watts at `usage_pct`: the least, the likely and the most.
    pub(super) fn at(&self, usage_pct: f64) -> (f64, f64, f64) {
        let (_, likely, _) = self.curve.at(usage_pct);
        (likely / self.spread, likely, likely * self.spread)
    }

    /// Watts of a machine whose processor's own counters say `rapl_w`: those come at some loss in
    /// supply and regulators, and the rest of the machine is assumed.
    pub(super) fn beside(&self, rapl_w: f64) -> (f64, f64, f64) {
        let rest = self.curve.idle_w * 0.7;
        (
            rapl_w + rest / self.spread,
            rapl_w * 1.15 + rest,
            rapl_w * 1.35 + rest * self.spread,
        )
    }
}

impl Kind {
    /// The processor's name and what machines with it draw, if it is one of those that are known.
    fn processor(&self) -> Option<(&str, f64, f64)> {
        let name = self.processor.as_deref()?;
        let mut words = name.split([' ', '(', ')']);
        let known = words.find_map(|word| PROCESSORS.iter().find(|(known, ..)| *known == word));
        if let Some((_, idle_w, max_w)) = known {
            return Some((name, *idle_w, *max_w));
        }
        let of_class = |letter: &str| {
            name.split(' ').any(|word| {
                let number = word.strip_suffix(letter);
                number.is_some_and(|number| number.ends_with(|last: char| last.is_ascii_digit()))
            })
        };
        let class = CLASSES
            .iter()
            .find(|(family, letter, ..)| name.contains(family) && of_class(letter));
        class.map(|(_, _, idle_w, max_w)| (name, *idle_w, *max_w))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_board_is_judged_by_its_name_and_others_by_their_threads() {
        let board = |name: &str| Kind {
            board: Some(name.to_owned()),
            ..Kind::default()
        };
        let pi = Prior::of(&board("Raspberry Pi 4 Model B Rev 1.4"), 4.0);
        assert_eq!((pi.curve.idle_w, pi.curve.max_w), (3.2, 7.3));
        assert_eq!(pi.basis, "Raspberry Pi 4 Model B Rev 1.4");
        let zero = Prior::of(&board("Raspberry Pi Zero 2 W Rev 1.0"), 4.0);
        assert!(zero.curve.max_w < pi.curve.max_w);
        let other = Prior::of(&board("Pine64 ROCK64"), 4.0);
        assert!(other.curve.idle_w < 5.0 && other.spread > pi.spread);
        let small = Prior::of(&Kind::default(), 4.0);
        let large = Prior::of(&Kind::default(), 96.0);
        assert!(small.curve.idle_w > 10.0 && small.curve.idle_w < 20.0);
        assert!(large.curve.idle_w > 80.0);
        let guest = Kind {
            is_virtual: true,
            ..Kind::default()
        };
        assert!(Prior::of(&guest, 2.0).basis.contains("virtual"));
        assert!(Prior::of(&guest, f64::INFINITY).curve.idle_w < 2000.0);
    }

    #[test]
    fn a_prior_s_band_is_wide_and_holds_its_figure() {
        let prior = Prior::of(&Kind::default(), 8.0);
        for usage in [-5.0, 0.0, 40.0, 100.0, 200.0] {
            let (low, likely, high) = prior.at(usage);
            assert!(low * 2.0 < likely && likely * 2.0 < high, "{usage}");
        }
        let (low, likely, high) = prior.beside(20.0);
        assert!(20.0 < low && low < likely && likely < high);
    }

    #[test]
    fn a_processor_of_a_small_machine_is_known_by_its_number_or_its_class() {
        let of = |name: &str| {
            let kind = Kind {
                processor: Some(name.to_owned()),
                ..Kind::default()
            };
            Prior::of(&kind, 4.0)
        };
        for (name, idle_w) in [
            ("Intel(R) N100", 7.0),
            ("Intel(R) Core(TM) i3-N305", 8.0),
            ("Intel(R) Celeron(R) J4125 CPU @ 2.00GHz", 7.0),
            ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", 7.0),
            ("Intel(R) Core(TM) i5-8500T CPU @ 2.10GHz", 10.0),
            ("AMD Ryzen 7 5800U with Radeon Graphics", 7.0),
        ] {
            let prior = of(name);
            assert!(
                (prior.curve.idle_w - idle_w).abs() < 1e-9,
                "{name}: {prior:?}"
            );
            assert!(prior.basis.contains(name) && prior.spread < 2.5);
        }
        for name in [
            "Intel(R) Xeon(R) CPU",
            "AMD Ryzen 9 7950X 16-Core Processor",
            "U",
        ] {
            assert_eq!(of(name).basis, "a machine with 4 threads", "{name}");
        }
        let guest = Kind {
            processor: Some("Intel(R) N100".to_owned()),
            is_virtual: true,
            ..Kind::default()
        };
        assert!(
            Prior::of(&guest, 4.0)
                .basis
                .starts_with("a virtual machine")
        );
    }
}
