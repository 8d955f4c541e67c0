//! What is assumed of a machine of which nothing was measured.

use super::Curve;

/// What is assumed of a machine of which nothing was measured: what its kind draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// Idle and full load of its kind.
    pub curve: Curve,
    /// Nine in ten of its kind draw between a `spread`-th and `spread` times as much.
    pub spread: f64,
    /// What of the curve is for disks that turn, W: hardly anything of it flows while they sleep.
    pub disks_w: f64,
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
    /// How many hard disks it has: boards and processors were measured without.
    pub hard_disks: usize,
}

/// A kind of machine: how its name begins or what is in it, and what it draws at the plug, idle
/// and with every core busy, W.
type Known = (&'static str, f64, f64);

/// What nine in ten of a known board draw lies between this part of the figure and so many times
/// as much: sources of one board differ by up to twice as much (a Raspberry Pi 4 idles at 1.6 W or
/// at 3.1 W), and there is mostly something attached.
const OF_BOARDS: f64 = 1.6;
/// The same of a machine around a known processor.
const OF_PROCESSORS: f64 = 2.0;
/// The same where only the number of threads is known.
const OF_THREADS: f64 = 2.5;

/// What a hard disk adds at the plug, W. Makers say 3 to 6 W turning and below 1 W asleep of those of
/// 3.5 inches, and a tenth to a fifth of it is lost in the supply; small ones and those that sleep at times
/// take less.
const DISK: f64 = 4.5;
/// Of that, what is left of it at least (all are asleep), and what it is at most.
const DISK_BAND: (f64, f64) = (0.15, 2.0);

/// Boards as they were measured, WALL at the plug under `stress-ng` on all cores, MAKER by
/// their maker before the supply, in A at 5.1 V, of which a usual supply makes 1.18 times as much
/// at the plug.
///
/// - WALL: <https://github.com/geerlingguy/sbc-reviews>, `web/data/results.yml`
/// - MAKER: <https://github.com/raspberrypi/documentation>, `power-supplies.adoc` ("typical amount
///   of power drawn"; idle and stress, average)
const BOARDS: [Known; 20] = [
    // WALL: the same chip on a Compute Module 0 draws 1.2 and 3.7 W.
    ("Raspberry Pi Zero 2", 1.2, 3.7),
    ("Raspberry Pi Compute Module 0", 1.2, 3.7),
    // MAKER: 0.10 and 0.23 A.
    ("Raspberry Pi Zero", 0.6, 1.4),
    // MAKER: 0.22 and 0.75 A.
    ("Raspberry Pi 2", 1.3, 4.5),
    // MAKER: a 3B with 0.30 and 0.85 A; WALL: a 3B+ with 3.1 and 5.6 W.
    ("Raspberry Pi 3", 2.4, 5.4),
    // No source of its own: the chip of a 3B without its Ethernet and hub.
    ("Raspberry Pi Compute Module 3", 1.4, 4.5),
    // WALL.
    ("Raspberry Pi Compute Module 4", 2.5, 4.6),
    ("Raspberry Pi Compute Module 5", 2.4, 8.5),
    ("Raspberry Pi 400", 2.7, 5.2),
    // MAKER: 0.6 and 1.2 A; WALL: 1.6 and 5.0 W.
    ("Raspberry Pi 4", 2.4, 6.0),
    // WALL: 3.1 and 9.0 W, a 500+ 2.9 and 9.4 W.
    ("Raspberry Pi 500", 3.0, 9.2),
    // WALL.
    ("Raspberry Pi 5", 2.8, 9.7),
    // The first ones. MAKER: a 1B+ with 0.20 and 0.32 A.
    ("Raspberry Pi", 1.2, 1.9),
    // WALL: a 5B with 3.6 and 17 W, a 5C with 1.6 and 9.5 W.
    ("Radxa ROCK 5", 2.4, 12.7),
    // WALL: a 5 with 1.0 and 10.0 W, a 5 Max with 1.4 and 10.9 W; boards of other makers with the
    // same chip idle at up to three times as much.
    ("Xunlong Orange Pi 5", 1.6, 10.5),
    // WALL: 1.12 and 2.4 W.
    ("Orange Pi Zero2 W", 1.1, 2.4),
    // WALL: a SOQuartz with 1.8 and 4.4 W.
    ("Pine64 SOQuartz", 1.8, 4.4),
    // WALL: 3.1 and 5.3 W.
    ("StarFive VisionFive 2", 3.1, 5.3),
    // WALL: 3.0 and 5.3 W.
    ("Milk-V Mars", 3.0, 5.3),
    // WALL: 1.3 and 2.4 W.
    ("Libre Computer AML-S905X-CC", 1.3, 2.4),
];

/// Processors of small computers that run at home for years, with the machine that is usual around
/// them (one SSD, no disk that turns), at the plug. A larger machine around the same processor
/// lies in their wider spread. WALL as above.
const PROCESSORS: [Known; 12] = [
    // WALL: a LattePanda Mu with 5.5 and 22.1 W, a Radxa X4 with 9.1 and 18.5 W.
    ("N100", 7.1, 20.2),
    // WALL: a GMKtec NucBox G3 Plus with 9.3 and 25 W.
    ("N150", 9.3, 25.0),
    // The same family; with the power limits (15 and 12 W in place of 6 W) that their maker gives.
    ("N95", 8.0, 27.0),
    ("N97", 8.0, 25.0),
    ("i3-N305", 8.0, 32.0),
    // Owners of a Fujitsu Futro S740 (J4105) measure 2.7 to 7 W idle, 13 to 14 W busy:
    // <https://github.com/R3NE07/Futro-S740>, `power_consumption.md`. The others are its next
    // of kin.
    ("J4105", 4.5, 13.5),
    ("J4125", 4.5, 14.0),
    ("J5005", 4.5, 15.0),
    ("J3455", 5.0, 14.0),
    // The generation between that one and the N100; one with four network ports was seen with 14
    // and 25 to 30 W: <https://ora.it.com/n5105-power-consumption/how-much-power-does-the-n5105-use>
    ("N5105", 8.0, 22.0),
    ("N6005", 8.0, 24.0),
    // An HP MicroServer with five disks: 27 W with them asleep, 57 W busy:
    // <http://www.wgdd.de/2013/08/hp-n54l-microserver-energy-efficiency.html>
    ("N54L", 27.0, 50.0),
];
/// Classes of processors by the letter after their number: mobile ones (`i5-8250U`), those of
/// little desktops (`i5-8500T`), AMD's mobile ones (`Ryzen 7 5800U`). Small computers with mobile
/// ones were measured at the plug with 4.8, 6.4 and 11.1 W idle and up to 64 W of limit (Intel),
/// 10.5 W idle and up to 75 W at the peak (AMD):
/// <https://www.anandtech.com/show/17513/asrock-industrial-nuc-box1260p-and-4x4-box5800u-review-alder-lakep-and-cezanne-ucff/8>
/// and the reviews beside it. Of "T" there is no source but that they may draw 35 W for long; its
/// idle figure is that of a desktop with few parts:
/// <https://mattgadient.com/7-watts-idle-on-intel-12th-13th-gen-the-foundation-for-building-a-low-power-server-nas/>
/// (7 to 10 W).
const CLASSES: [(&str, &str, f64, f64); 3] = [
    ("Core", "U", 7.0, 42.0),
    ("Core", "T", 9.0, 55.0),
    ("Ryzen", "U", 10.0, 50.0),
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
            (idle_w, idle_w * 3.7, OF_THREADS, basis)
        } else if let Some(board) = &kind.board {
            let known = BOARDS.iter().find(|(name, ..)| board.starts_with(name));
            if let Some((_, idle_w, max_w)) = known {
                (*idle_w, *max_w, OF_BOARDS, board.clone())
            } else {
                let idle_w = 2.0 + 0.3 * threads;
                let basis = format!("a board with {threads} cores");
                (idle_w, idle_w * 3.0, OF_THREADS, basis)
            }
        } else if let Some((processor, idle_w, max_w)) = kind.processor() {
            (
                idle_w,
                max_w,
                OF_PROCESSORS,
                format!("a machine with {processor}"),
            )
        } else {
            // Between an idle small machine's 10 W and a server's watt a thread; at full load the
            // median machine of SPEC's list draws 3.7 times its idle watts.
            let idle_w = 11.0 + threads;
            let basis = format!("a machine with {threads} threads");
            (idle_w, idle_w * 3.7, OF_THREADS, basis)
        };
        // The disks of a virtual machine are files.
        let disks = if kind.is_virtual { 0 } else { kind.hard_disks };
        let disks_w = DISK * f64::from(u8::try_from(disks).unwrap_or(u8::MAX));
        Self {
            curve: Curve {
                idle_w: idle_w + disks_w,
                max_w: max_w + disks_w,
            },
            spread,
            disks_w,
            basis: match disks {
                0 => basis,
                1 => format!("{basis} and a hard disk"),
                many => format!("{basis} and {many} hard disks"),
            },
        }
    }

    /// Watts at `usage_pct`: the least, the likely and the most.
    pub(super) fn at(&self, usage_pct: f64) -> (f64, f64, f64) {
        let (_, likely, _) = self.curve.at(usage_pct);
        let (low, high) = self.band(likely);
        (low, likely, high)
    }

    /// What nine in ten draw of whose kind `likely` is, with its disks.
    fn band(&self, likely: f64) -> (f64, f64) {
        let (least, most) = DISK_BAND;
        let bare = (likely - self.disks_w).max(0.0);
        (
            bare / self.spread + self.disks_w * least,
            bare * self.spread + self.disks_w * most,
        )
    }

    /// Watts of a machine whose processor's own counters say `rapl_w`: those come at some loss in
    /// supply and regulators, and the rest of the machine is assumed.
    pub(super) fn beside(&self, rapl_w: f64) -> (f64, f64, f64) {
        let rest = (self.curve.idle_w - self.disks_w) * 0.7 + self.disks_w;
        let (low, high) = self.band(rest);
        (rapl_w + low, rapl_w * 1.15 + rest, rapl_w * 1.35 + high)
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
        assert_eq!((pi.curve.idle_w, pi.curve.max_w), (2.4, 6.0));
        assert_eq!(pi.basis, "Raspberry Pi 4 Model B Rev 1.4");
        let zero = Prior::of(&board("Raspberry Pi Zero 2 W Rev 1.0"), 4.0);
        assert!(zero.curve.max_w < pi.curve.max_w);
        let other = Prior::of(&board("Pine64 Rock64"), 4.0);
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

    /// What sources say of boards, idle and busy, W at the plug.
    #[test]
    fn what_was_measured_of_a_board_lies_within_its_band() {
        for (board, idle_w, busy_w) in [
            ("Raspberry Pi 4 Model B Rev 1.5", 1.6, 5.0),
            (
                "Raspberry Pi 4 Model B Rev 1.1",
                0.6 * 5.1 * 1.18,
                1.2 * 5.1 * 1.18,
            ),
            ("Raspberry Pi 3 Model B Plus Rev 1.3", 3.1, 5.6),
            (
                "Raspberry Pi 3 Model B Rev 1.2",
                0.3 * 5.1 * 1.18,
                0.85 * 5.1 * 1.18,
            ),
            ("Raspberry Pi 5 Model B Rev 1.0", 2.8, 9.7),
            ("Raspberry Pi 500 Rev 1.0", 3.1, 9.0),
            (
                "Raspberry Pi Zero W Rev 1.1",
                0.1 * 5.1 * 1.18,
                0.23 * 5.1 * 1.18,
            ),
            (
                "Raspberry Pi Model B Plus Rev 1.2",
                0.2 * 5.1 * 1.18,
                0.32 * 5.1 * 1.18,
            ),
            ("Radxa ROCK 5B", 3.6, 17.0),
            ("Radxa ROCK 5C", 1.6, 9.5),
            ("Xunlong Orange Pi 5", 1.0, 10.0),
        ] {
            let kind = Kind {
                board: Some(board.to_owned()),
                ..Kind::default()
            };
            let prior = Prior::of(&kind, 4.0);
            assert!((prior.spread - OF_BOARDS).abs() < 1e-9, "{board}");
            for (usage, watts) in [(0.0, idle_w), (100.0, busy_w)] {
                let (low, _, high) = prior.at(usage);
                assert!((low..=high).contains(&watts), "{board}: {low} to {high}");
            }
        }
    }

    #[test]
    fn hard_disks_are_added_and_may_be_asleep() {
        let nas = |processor: Option<&str>, hard_disks, is_virtual| {
            let kind = Kind {
                processor: processor.map(str::to_owned),
                hard_disks,
                is_virtual,
                ..Kind::default()
            };
            Prior::of(&kind, 4.0)
        };
        let plain = nas(Some("Intel(R) N100"), 0, false);
        let four = nas(Some("Intel(R) N100"), 4, false);
        assert_eq!(four.basis, "a machine with Intel(R) N100 and 4 hard disks");
        assert!(nas(None, 1, false).basis.ends_with(" and a hard disk"));
        // All asleep: a watt each; all at work: 8 W each.
        let (low, likely, high) = four.at(0.0);
        let bare = plain.curve.idle_w;
        assert!(low < bare + 4.0 && likely > bare + 12.0 && high > bare + 32.0);
        let (low, likely, high) = four.beside(2.0);
        assert!(low < likely && likely < high && likely > plain.beside(2.0).1 + 12.0);
        // Those of a guest are files on its host.
        assert_eq!(nas(None, 4, true), nas(None, 0, true));
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
            ("Intel(R) N100", 7.1),
            ("Intel(R) Core(TM) i3-N305", 8.0),
            ("Intel(R) Celeron(R) J4125 CPU @ 2.00GHz", 4.5),
            ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", 7.0),
            ("Intel(R) Core(TM) i5-8500T CPU @ 2.10GHz", 9.0),
            ("AMD Ryzen 7 5800U with Radeon Graphics", 10.0),
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
