use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Bytes of bodies served to each token today (UTC), since the start of the service.
#[derive(Debug, Default)]
pub(super) struct Usage(Mutex<(i64, HashMap<String, u64>)>);

const DAY_S: i64 = 86_400;

impl Usage {
    /// Counts `bytes` for `token`.
    pub(super) fn add(&self, token: &str, bytes: u64, now: Timestamp) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (day, map) = &mut *guard;
        let today = now.as_second().div_euclid(DAY_S);
        if *day != today {
            *day = today;
            map.clear();
        }
        match map.get_mut(token) {
            Some(sum) => *sum = sum.saturating_add(bytes),
            None => {
                map.insert(token.to_owned(), bytes);
            }
        }
    }

    /// What `token` has had today.
    pub(super) fn today(&self, token: &str, now: Timestamp) -> u64 {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.0 == now.as_second().div_euclid(DAY_S) {
            guard.1.get(token).copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// Seconds until the budget starts anew.
    pub(super) fn resets_in(now: Timestamp) -> u64 {
        u64::try_from(DAY_S - now.as_second().rem_euclid(DAY_S)).unwrap_or(0)
    }
}
