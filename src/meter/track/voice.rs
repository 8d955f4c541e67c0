use tokio::time::Instant;

use super::{Limits, Track};
use crate::meter::figures::{Figures, Heard, WHOLE};

/// Of whom a message speaks: of the device as a whole, or of its outlets and phases one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    Whole,
    Outlets,
}

impl Voice {
    /// Of whom part `number` is.
    pub(super) const fn of(number: u8) -> Self {
        if number == WHOLE {
            Self::Whole
        } else {
            Self::Outlets
        }
    }

    /// Of whom `heard` tells watts or energy; `None` if it tells neither.
    fn in_message(heard: &Heard) -> Option<Self> {
        let mut parts = heard.parts.iter();
        let told = parts.find(|(_, figures)| {
            figures.power_w.is_some()
                || figures.energy_kwh.is_some()
                || figures.returned_kwh.is_some()
        });
        told.map(|(number, _)| Self::of(*number))
    }

    /// What is wanted: the outlet that was configured, else the whole.
    const fn wanted(limits: &Limits) -> Self {
        if limits.one_outlet {
            Self::Outlets
        } else {
            Self::Whole
        }
    }
}

/// A meter may speak now as a whole and now as several outlets. Only one of both is listened to, so
/// that nothing is counted twice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lead {
    pub(super) voice: Voice,
    /// When it spoke last.
    heard: Instant,
}

impl Track {
    /// Whether the message is of those that count; takes over to it if it is better than what
    /// counted so far, or that has fallen silent.
    pub(super) fn listens_to(&mut self, heard: &Heard, now: Instant) -> bool {
        let Some(voice) = Voice::in_message(heard) else {
            // Relays and volts go with the figures of their kind.
            let mut parts = heard.parts.iter();
            return self
                .lead
                .is_none_or(|lead| parts.all(|(number, _)| Voice::of(*number) == lead.voice));
        };
        if let Some(lead) = self.lead.filter(|lead| lead.voice != voice) {
            let is_fresh = now.duration_since(lead.heard) <= self.limits.silent_after;
            if is_fresh && !self.limits.one_outlet {
                self.wrong.mixed = Some(now);
            }
            if is_fresh && voice != Voice::wanted(&self.limits) {
                return false;
            }
            self.silence(lead.voice);
        }
        self.lead = Some(Lead { voice, heard: now });
        true
    }

    /// Parts of `voice` count no more; what they have counted stays.
    fn silence(&mut self, voice: Voice) {
        let parts = self.parts.iter_mut();
        for (_, part) in parts.filter(|(number, _)| Voice::of(**number) == voice) {
            part.power_at = None;
            part.figures = Figures::default();
            for counter in [&mut part.energy, &mut part.returned].into_iter().flatten() {
                counter.rest();
            }
        }
    }
}
