use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::Instant;

/// Work and rest alternate within so long: short against any meter and any governor.
const PERIOD: Duration = Duration::from_millis(50);
/// A processor that has nothing to do looks up so often.
const REST: Duration = Duration::from_millis(200);
/// Told to end.
const END: u8 = u8::MAX;

/// A load on every processor, of the lowest priority, that ends with this process.
pub(super) struct Load {
    level: Arc<AtomicU8>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// No load at first.
    ///
    /// # Errors
    /// No thread can be had.
    pub(super) fn new() -> std::io::Result<Self> {
        // Of this thread and those that it begins: everything else on the machine goes first.
        if let Err(error) = rustix::process::nice(19) {
            tracing::debug!(%error, "the priority stays as it is");
        }
        let level = Arc::new(AtomicU8::new(0));
        let mut load = Self {
            level: Arc::clone(&level),
            threads: Vec::new(),
        };
        for _ in 0..thread::available_parallelism()?.get() {
            let level = Arc::clone(&level);
            let work = move || work(&level);
            load.threads.push(thread::Builder::new().spawn(work)?);
        }
        Ok(load)
    }

    /// Makes so much load, %, from now on.
    pub(super) fn set(&self, load_pct: u8) {
        self.level.store(load_pct.min(100), Ordering::Relaxed);
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.level.store(END, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // It has nothing to do that could fail.
            drop(thread.join());
        }
    }
}

fn work(level: &AtomicU8) {
    loop {
        let load_pct = level.load(Ordering::Relaxed);
        match load_pct {
            END => return,
            0 => thread::park_timeout(REST),
            _ => {
                let busy = PERIOD * u32::from(load_pct) / 100;
                let begun = Instant::now();
                while begun.elapsed() < busy {
                    spin();
                }
                thread::park_timeout(PERIOD.saturating_sub(busy));
            }
        }
    }
}

/// Something that keeps whole numbers and fractions of a processor at work.
fn spin() {
    let mut product = 1.000_1_f64;
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..2_000 {
        number = number.rotate_left(5).wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x55;
        product = (product * 1.000_1).mul_add(0.999, 1e-9);
    }
    std::hint::black_box((product, number));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_ends_when_it_is_dropped() {
        let load = Load::new().unwrap();
        load.set(30);
        load.set(100);
        let level = Arc::clone(&load.level);
        drop(load);
        assert_eq!(level.load(Ordering::Relaxed), END);
        assert_eq!(Arc::strong_count(&level), 1, "every thread has ended");
    }
}
