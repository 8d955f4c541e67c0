use std::time::Duration;

use super::{Effect, Engine, Moment};

/// After a reload a figure may be missing for a moment, such as a rate, which takes two looks. What
/// was seen before holds for so long.
const GRACE: Duration = Duration::from_mins(1);

impl Engine {
    /// Goes on where `former` was interrupted by a reload, by the same clock: what a rule that has not
    /// changed has seen since when is still seen since then. The effects tell what nobody had kept.
    pub fn take_over(&mut self, former: Self, now: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (key, mut old) in former.things {
            let thing = self.thing(&key, now.up);
            for track in thing.into_iter().flat_map(|thing| &mut thing.tracks) {
                let same = old.tracks.iter().position(|one| one.rule == track.rule);
                let before = same.map(|place| old.tracks.swap_remove(place));
                // What the store knows and it did not is not lost.
                let known = |alert| alert || track.alert().is_none();
                let Some(mut before) = before.filter(|one| known(one.alert().is_some())) else {
                    continue;
                };
                if track.alert().is_none() {
                    effects.extend(before.alert().cloned().map(Effect::Alert));
                }
                before.blind_until = Some(now.up.saturating_add(GRACE));
                *track = before;
            }
        }
        self.settle(now, &mut effects);
        effects
    }
}
