use tokio::time::Instant;

use super::Limits;
use crate::meter::counter::{Counter, Taken};
use crate::meter::figures::Figures;

/// One outlet, phase or tariff.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) figures: Figures,
    pub(super) power_at: Option<Instant>,
    pub(super) energy: Option<Counter>,
    pub(super) returned: Option<Counter>,
}

impl Part {
    /// Takes new figures over those that are known; tells what its counters made of theirs. With
    /// `late` the meter is known already, and a counter that is new begins at 0.
    pub(super) fn take(
        &mut self,
        new: &Figures,
        limits: Limits,
        now: Instant,
        late: bool,
    ) -> [Taken; 2] {
        let known = &mut self.figures;
        if let Some(power) = new.power_w {
            known.power_w = Some(power * limits.power);
            self.power_at = Some(now);
        }
        for (known, new) in [
            (&mut known.voltage_v, new.voltage_v),
            (&mut known.current_a, new.current_a),
            (&mut known.apparent_va, new.apparent_va),
            (&mut known.reactive_var, new.reactive_var),
            (&mut known.factor, new.factor),
            (&mut known.frequency_hz, new.frequency_hz),
        ] {
            if let Some(new) = new {
                *known = Some(new).filter(|new| new.is_finite());
            }
        }
        known.relay = new.relay.or(known.relay);
        let counters = [
            (&mut self.energy, new.energy_kwh),
            (&mut self.returned, new.returned_kwh),
        ];
        counters.map(|(counter, raw)| {
            let Some(raw) = raw else {
                return Taken::Counted;
            };
            let counter = counter.get_or_insert_with(|| {
                // The total of a meter must not leap when one more part is heard of.
                if late {
                    Counter::from_zero()
                } else {
                    Counter::new()
                }
            });
            // A clamp that is turned round turns its power, not its counter's direction.
            counter.take(raw * limits.energy.abs(), now, limits.max_w)
        })
    }
}
