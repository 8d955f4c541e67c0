//! A tick's samples as the journal carries them: each value as its difference from the same
//! series' last one, so that a tick of 300 series takes some 400 bytes.

use super::varint;

/// Series are numbered below this; bounds what garbage can make us allocate.
pub(super) const MAX_SERIES: u32 = 65_536;

const DIFFERENCES: u8 = 1;
const WHOLE: u8 = 2;

/// One sample: series number and value as a scaled whole number.
pub(super) type Sample = (u32, i64);

/// Writes or reads a chain of ticks. A chain starts with a tick of whole values.
#[derive(Debug, Default)]
pub(super) struct Chain {
    last: Vec<i64>,
    at: i64,
    started: bool,
}

impl Chain {
    /// The next tick is written whole, so that reading may start there.
    pub(super) fn restart(&mut self) {
        self.started = false;
    }

    /// Appends a tick; `samples` are in the order of their series, each once.
    pub(super) fn write(&mut self, at: i64, samples: &[Sample], out: &mut Vec<u8>) {
        out.push(if self.started { DIFFERENCES } else { WHOLE });
        if !self.started {
            self.last.clear();
            self.at = 0;
            self.started = true;
        }
        varint::put_signed(out, at.wrapping_sub(self.at));
        self.at = at;
        let runs: Vec<(u32, u32)> = runs(samples);
        varint::put(out, runs.len() as u64);
        let mut end = 0;
        for (first, len) in runs {
            varint::put(out, u64::from(first - end));
            varint::put(out, u64::from(len));
            end = first + len;
        }
        self.last.resize(self.last.len().max(end as usize), 0);
        for (series, value) in samples {
            if let Some(last) = self.last.get_mut(*series as usize) {
                varint::put_signed(out, value.wrapping_sub(*last));
                *last = *value;
            }
        }
    }

    /// Takes the next tick off the front of `bytes` and returns its time, its samples in
    /// `samples`. `None` if this is no tick or the chain is broken before it.
    pub(super) fn read(&mut self, bytes: &mut &[u8], samples: &mut Vec<Sample>) -> Option<i64> {
        samples.clear();
        match *varint::take_bytes(bytes, 1)? {
            [WHOLE] => {
                self.last.clear();
                self.at = 0;
                self.started = true;
            }
            [DIFFERENCES] if self.started => {}
            _ => return None,
        }
        self.at = self.at.wrapping_add(varint::take_signed(bytes)?);
        let mut end = 0_u32;
        for _ in 0..varint::take(bytes)? {
            let first = end.checked_add(u32::try_from(varint::take(bytes)?).ok()?)?;
            end = first.checked_add(u32::try_from(varint::take(bytes)?).ok()?)?;
            if end > MAX_SERIES {
                return None;
            }
            samples.extend((first..end).map(|series| (series, 0)));
        }
        self.last.resize(self.last.len().max(end as usize), 0);
        for (series, value) in samples {
            let last = self.last.get_mut(*series as usize)?;
            *last = last.wrapping_add(varint::take_signed(bytes)?);
            *value = *last;
        }
        Some(self.at)
    }
}

/// Neighbouring series as (first, how many).
fn runs(samples: &[Sample]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (series, _) in samples {
        match runs.last_mut() {
            Some((first, len)) if *first + *len == *series => *len += 1,
            _ => runs.push((*series, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ticks_come_back_as_they_were(
            ticks in vec((any::<i64>(), btree_map(0u32..500, any::<i64>(), 0..50)), 1..20),
            restart in 0usize..20,
        ) {
            let (mut chain, mut bytes) = (Chain::default(), Vec::new());
            for (i, (at, samples)) in ticks.iter().enumerate() {
                if i == restart {
                    chain.restart();
                }
                let samples: Vec<Sample> = samples.iter().map(|(s, v)| (*s, *v)).collect();
                chain.write(*at, &samples, &mut bytes);
            }
            let (mut chain, mut rest, mut got) = (Chain::default(), bytes.as_slice(), Vec::new());
            for (at, samples) in &ticks {
                prop_assert_eq!(chain.read(&mut rest, &mut got), Some(*at));
                let samples: Vec<Sample> = samples.iter().map(|(s, v)| (*s, *v)).collect();
                prop_assert_eq!(&got, &samples);
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn garbage_never_panics(bytes in vec(any::<u8>(), 0..200)) {
            let (mut chain, mut rest, mut got) = (Chain::default(), bytes.as_slice(), Vec::new());
            while chain.read(&mut rest, &mut got).is_some() {}
            prop_assert!(got.len() <= MAX_SERIES as usize);
        }
    }

    #[test]
    fn a_chain_that_lacks_its_start_is_refused() {
        let (mut chain, mut bytes) = (Chain::default(), Vec::new());
        chain.write(1, &[(0, 5)], &mut bytes);
        let first = bytes.len();
        chain.write(2, &[(0, 6)], &mut bytes);
        let mut rest = &bytes[first..];
        assert_eq!(Chain::default().read(&mut rest, &mut Vec::new()), None);
    }
}
