use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many restarts ...
const MANY: f64 = 3.0;
/// ... within this time are a loop, not an accident.
const WINDOW: Duration = Duration::from_mins(15);

/// Whether something is restarted again and again, by its count of restarts.
#[derive(Debug, Default)]
pub(super) struct Flap(VecDeque<(Instant, f64)>);

impl Flap {
    /// Takes the count of now in. One that falls (the count was reset) begins anew.
    pub(super) fn is_looping(&mut self, count: f64) -> bool {
        let now = Instant::now();
        if self.0.back().is_some_and(|(_, before)| count < *before) {
            self.0.clear();
        }
        while self.0.len() > 1 && self.0.front().is_some_and(|(at, _)| now - *at > WINDOW) {
            self.0.pop_front();
        }
        if self
            .0
            .back()
            .is_none_or(|(_, before)| (count - *before).abs() > 0.5)
        {
            self.0.push_back((now, count));
        } else if let (1, Some(only)) = (self.0.len(), self.0.front_mut()) {
            // Nothing has happened: the window begins now.
            only.0 = now;
        }
        let first = self.0.front().map_or(count, |(_, first)| *first);
        count - first >= MANY
    }
}
