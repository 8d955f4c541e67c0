use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many failures an address may have within [`WINDOW`].
const ALLOWED: u32 = 10;
const WINDOW: Duration = Duration::from_mins(1);
/// How many addresses are remembered.
const MAX: usize = 256;

/// Counts failed proofs of identity by address. A good token is let through all the same, so that
/// nobody can lock others out who share a proxy's address.
#[derive(Debug, Default)]
pub(super) struct Limiter(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Limiter {
    /// Notes a failure. If there are too many: after how many seconds to try again.
    pub(super) fn failed(&self, peer: IpAddr) -> Option<u64> {
        let now = Instant::now();
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MAX {
            map.retain(|_, (since, _)| now.duration_since(*since) < WINDOW);
            if map.len() >= MAX {
                map.clear();
            }
        }
        let entry = map.entry(peer).or_insert((now, 0));
        if now.duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
        let left = WINDOW.saturating_sub(now.duration_since(entry.0));
        (entry.1 > ALLOWED).then(|| left.as_secs().max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn too_many_failures_are_limited_for_a_minute_and_for_that_address_only() {
        let limiter = Limiter::default();
        let (bad, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..ALLOWED {
            assert_eq!(limiter.failed(bad), None);
        }
        assert_eq!(limiter.failed(bad), Some(60));
        assert_eq!(limiter.failed(other), None);
        tokio::time::advance(WINDOW).await;
        assert_eq!(limiter.failed(bad), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_of_addresses_is_bounded() {
        let limiter = Limiter::default();
        for n in 0..10_000u32 {
            limiter.failed(std::net::Ipv4Addr::from(n).into());
        }
        assert!(limiter.0.lock().unwrap().len() <= MAX);
    }
}
