//! How watts follow from the use of the processor, by figures that are known beforehand.

/// Watts at 0, 10 … 100 % load as shares of the way from idle to full load: the mean of 619
/// machines whose curves SPEC has published.
const SHAPE: [f64; 11] = [
    0.0, 0.162, 0.240, 0.314, 0.391, 0.471, 0.560, 0.657, 0.764, 0.885, 1.0,
];
/// What nine in ten of 120 such machines really draw, as shares of what [`SHAPE`] says: from …
const LOW: [f64; 11] = [
    0.97, 0.86, 0.83, 0.81, 0.82, 0.82, 0.82, 0.84, 0.88, 0.93, 0.97,
];
/// … to. At the ends, where only the given figures count, 3 % for how they were read off.
const HIGH: [f64; 11] = [
    1.03, 1.22, 1.21, 1.21, 1.20, 1.18, 1.16, 1.13, 1.09, 1.04, 1.03,
];

/// What a machine draws at the wall when it has nothing to do and when it is busy with all it
/// has, W.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// At 0 % CPU use.
    pub idle_w: f64,
    /// At 100 % CPU use; above `idle_w`.
    pub max_w: f64,
}

impl Curve {
    /// Watts at `usage_pct` (0–100) of CPU use: the least, the likely and the most that nine in
    /// ten machines of such a curve draw.
    pub(super) fn at(self, usage_pct: f64) -> (f64, f64, f64) {
        let likely = self.idle_w + (self.max_w - self.idle_w) * shape(usage_pct);
        let place = usage_pct.clamp(0.0, 100.0) / 10.0;
        (
            likely * between(&LOW, place),
            likely,
            likely * between(&HIGH, place),
        )
    }
}

/// How far from idle (0) to full load (1) the watts of most machines are at `usage_pct` (0–100).
pub(super) fn shape(usage_pct: f64) -> f64 {
    between(&SHAPE, usage_pct.clamp(0.0, 100.0) / 10.0)
}

/// The value of `points` at `place` (0–10), on a straight line between two of them.
fn between(points: &[f64; 11], place: f64) -> f64 {
    let pairs = points.iter().zip(points.iter().skip(1));
    let mut value = points[0];
    let mut left = place;
    for (from, to) in pairs {
        if left <= 0.0 {
            break;
        }
        value = from + (to - from) * left.min(1.0);
        left -= 1.0;
    }
    value
}

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
    /// Whether it runs in a virtual machine: then its watts are a share of its host's.
    pub is_virtual: bool,
}

/// Boards with what they draw at the plug, idle and with every core busy, W: from the makers'
/// own figures for the board, with a usual supply's loss and nothing attached.
const BOARDS: [(&str, f64, f64); 9] = [
    ("Raspberry Pi Zero 2", 1.0, 3.2),
    ("Raspberry Pi Zero", 0.7, 1.6),
    ("Raspberry Pi 2", 1.5, 3.6),
    ("Raspberry Pi 3", 2.2, 6.0),
    ("Raspberry Pi Compute Module 4", 2.7, 7.0),
    ("Raspberry Pi 4", 3.2, 7.3),
    ("Raspberry Pi 500", 3.6, 10.5),
    ("Raspberry Pi 5", 3.6, 11.0),
    ("Raspberry Pi", 2.0, 6.0),
];

impl Prior {
    /// What is assumed of a machine of that kind with so many logical processors.
    pub fn of(kind: &Kind, threads: f64) -> Self {
        let known = kind.board.as_deref().and_then(|board| {
            let known = BOARDS.iter().find(|(name, ..)| board.starts_with(name))?;
            Some((board, known.1, known.2))
        });
        let threads = threads.clamp(1.0, 1024.0);
        let (idle_w, max_w, spread, basis) = match known {
            Some((board, idle_w, max_w)) => (idle_w, max_w, 1.6, board.to_owned()),
            None if kind.board.is_some() => {
                let idle_w = 2.0 + 0.3 * threads;
                (
                    idle_w,
                    idle_w * 3.0,
                    2.5,
                    format!("a board with {threads} cores"),
                )
            }
            // Between an idle small machine's 10 W and a server's watt a thread; at full load the
            // median machine of SPEC's list draws 3.7 times its idle watts.
            None => {
                let idle_w = 11.0 + threads;
                let what = if kind.is_virtual {
                    "a virtual machine, as if it were a machine of its own,"
                } else {
                    "a machine"
                };
                (
                    idle_w,
                    idle_w * 3.7,
                    2.5,
                    format!("{what} with {threads} threads"),
                )
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_board_is_judged_by_its_name_and_others_by_their_threads() {
        let board = |name: &str| Kind {
            board: Some(name.to_owned()),
            is_virtual: false,
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
            board: None,
            is_virtual: true,
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
}
