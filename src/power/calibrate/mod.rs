//! The guided calibration: five steady loads beside a meter teach in minutes what else takes days.
//!
//! The service measures and decides ([`Session`], pure); the load itself is made by whoever asked
//! for it, in a process of its own, so that it ends with that process whatever happens.

mod guide;
mod session;
#[cfg(test)]
mod tests;

pub(super) use guide::Guide;
use session::{Look, Session};

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// The loads, %: with these few the curves of machines are met best.
pub const LOADS: [u8; 5] = [0, 10, 30, 60, 100];
/// So many news may wait for whoever asked.
const WAITING: usize = 64;

/// What is wanted of a guided calibration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// How long each load is held, s; without it as long as the meter needs.
    #[serde(default)]
    pub seconds_per_point: Option<u32>,
    /// Everything but that the result is used.
    #[serde(default)]
    pub dry_run: bool,
}

/// What a guided calibration has to tell, in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// It begins.
    Begun {
        /// What measures.
        meter: String,
        /// How often it speaks, s, if that is known already.
        meter_interval_s: Option<u64>,
        /// How long all of it is likely to take, s.
        total_s: u64,
    },
    /// A load is to be made, from now on.
    Load {
        /// Its number, from 1, and how many there are.
        point: (usize, usize),
        /// Of all processors, %.
        load_pct: u8,
    },
    /// What is seen meanwhile.
    Seen {
        /// CPU use, %.
        usage_pct: Option<f64>,
        /// W by the meter.
        watts: f64,
        /// Readings of the meter that count for this point.
        readings: usize,
        /// How long this point and all of it are likely to take yet, s.
        left_s: (u64, u64),
    },
    /// A point was measured.
    Point {
        /// CPU use, %.
        usage_pct: f64,
        /// W.
        watts: f64,
        /// By how many readings.
        readings: usize,
    },
    /// It is over.
    Done(Outcome),
    /// It was stopped, and why; nothing was changed.
    Stopped {
        /// In words.
        why: String,
    },
}

/// What a guided calibration came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// W with nothing to do.
    pub idle_w: f64,
    /// W with every core busy.
    pub max_w: f64,
    /// The points: CPU use in %, W.
    pub points: Vec<(f64, f64)>,
    /// Each inner point reckoned from the others: off by so much in the mean, %.
    pub check_pct: f64,
    /// Nine in ten estimates will be off by less, %.
    pub error_pct: f64,
    /// By how much what was estimated before was off at these points in the mean, %, if anything
    /// was.
    pub before_pct: Option<f64>,
    /// Whether it is used from now on.
    pub kept: bool,
}

/// The way from whoever asks for a calibration to the part of the service that measures. Cheap to
/// clone; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Calibration(Arc<Mutex<Option<mpsc::Sender<Ask>>>>);

/// Somebody asks for a calibration and hears how it goes; it is given up when nobody hears.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) wish: Wish,
    pub(super) news: mpsc::Sender<News>,
}

impl Calibration {
    /// Takes part as the one that measures.
    pub(super) fn serve(&self) -> mpsc::Receiver<Ask> {
        let (sender, receiver) = mpsc::channel(1);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Asks for one; `None` if nobody measures at the moment. What is dropped is given up.
    pub fn begin(&self, wish: Wish) -> Option<mpsc::Receiver<News>> {
        let (news, receiver) = mpsc::channel(WAITING);
        let asks = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        asks?.try_send(Ask { wish, news }).ok()?;
        Some(receiver)
    }
}
