//! What a second on each core counts, on machines whose cores are not alike.

use std::collections::HashMap;

use crate::collect::read::figure;
use crate::host::{KeptFile, Root};

use super::services::busy;

/// The cores of a machine that has fast and slow ones. A second on a core counts as much as the
/// core's frequency of now, measured by the mean of all. Where all cores can reach the same
/// frequency there is nothing to weigh: over a tick they run alike.
pub(super) struct Speeds {
    cores: Vec<Core>,
    /// Weighted time of all cores so far, s.
    counted: f64,
}

struct Core {
    number: u32,
    file: KeptFile,
    busy: Option<f64>,
    weight: f64,
}

impl Speeds {
    /// `None` where the cores are alike or nothing is known of them.
    pub(super) fn find(root: &Root) -> Option<Self> {
        let most = |number: u32| -> Option<u64> {
            let path = format!("devices/system/cpu/cpu{number}/cpufreq/cpuinfo_max_freq");
            Root::read_trimmed(&root.sys(&path))?.parse().ok()
        };
        let mut cores = Vec::new();
        let mut kinds = Vec::new();
        for number in 0..1024 {
            let Some(most) = most(number) else {
                break;
            };
            kinds.push(most);
            let path = format!("devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
            cores.push(Core {
                number,
                file: root.keep_sys(&path),
                busy: None,
                weight: 1.0,
            });
        }
        kinds.sort_unstable();
        let (slow, fast) = (kinds.first()?, kinds.last()?);
        // Favoured cores that reach a little more are no other kind.
        (figure(*fast) > figure(*slow) * 1.2).then_some(Self {
            cores,
            counted: 0.0,
        })
    }

    /// What a second on each core counts now.
    pub(super) fn weights(&mut self, buffer: &mut Vec<u8>) -> HashMap<u32, f64> {
        let mut now = Vec::with_capacity(self.cores.len());
        for core in &mut self.cores {
            let text = core.file.read(buffer).ok();
            now.push(text.and_then(|text| text.trim().parse().ok()).map(figure));
        }
        let known: Vec<f64> = now.iter().flatten().copied().filter(|f| *f > 0.0).collect();
        let count = u32::try_from(known.len()).map_or(0.0, f64::from);
        let mean = known.iter().sum::<f64>() / count;
        for (core, now) in self.cores.iter_mut().zip(now) {
            core.weight = now.filter(|now| *now > 0.0).map_or(1.0, |now| now / mean);
        }
        let cores = self.cores.iter();
        cores.map(|core| (core.number, core.weight)).collect()
    }

    /// The weighted time of all cores so far, s, out of `/proc/stat`.
    pub(super) fn total(&mut self, stat: &str) -> f64 {
        for core in &mut self.cores {
            let Some(now) = busy(stat, &format!("cpu{} ", core.number)) else {
                continue;
            };
            let last = core.busy.replace(now).unwrap_or(now);
            self.counted += (now - last).max(0.0) * core.weight;
        }
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_on_a_fast_core_counts_more() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().into(), dir.path().into(), dir.path().into());
        let put = |core: u32, most: u64, now: &str| {
            let dir = dir
                .path()
                .join(format!("devices/system/cpu/cpu{core}/cpufreq"));
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join("cpuinfo_max_freq"), format!("{most}\n")).unwrap();
            std::fs::write(dir.join("scaling_cur_freq"), now).unwrap();
        };
        assert!(Speeds::find(&root).is_none(), "nothing is known");
        put(0, 5_000_000, "4500000\n");
        put(1, 4_900_000, "4500000\n");
        assert!(Speeds::find(&root).is_none(), "alike");
        put(1, 3_000_000, "1500000\n");
        put(2, 3_000_000, "0\n");
        let mut speeds = Speeds::find(&root).unwrap();
        let weights = speeds.weights(&mut Vec::new());
        let want = HashMap::from([(0, 1.5), (1, 0.5), (2, 1.0)]);
        assert_eq!(weights, want);
        let stat = |fast: u64, slow: u64| {
            format!("cpu  9 9 9\ncpu0 {fast} 0 0 5 5 0 0\ncpu1 {slow} 0 0 5 5 0 0\nintr 5\n")
        };
        assert!(speeds.total(&stat(100, 100)).abs() < 1e-9);
        assert!((speeds.total(&stat(300, 500)) - 5.0).abs() < 1e-9);
        assert!(
            (speeds.total(&stat(200, 600)) - 5.5).abs() < 1e-9,
            "went back"
        );
    }
}
