//! Graphics cards of their own, which nothing else in the machine counts.

use std::collections::BTreeMap;

use crate::power::{PowerSample, Scope};

/// With nothing to do hardly a card draws more, W: assumed of one that has not been seen at rest.
const REST: f64 = 30.0;
/// No card draws more, W.
const MOST: f64 = 10_000.0;

/// What each card draws at rest: the least that was seen of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cards {
    rest: BTreeMap<Scope, f64>,
}

/// What all cards draw together, W, by their own word.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Graphics {
    /// All of it.
    pub(super) whole: f64,
    /// What of it is above what they draw at rest.
    pub(super) above: f64,
}

impl Cards {
    /// Takes in a look; `None` if no card tells what it draws.
    pub(super) fn look(&mut self, samples: &[PowerSample]) -> Option<Graphics> {
        let cards = samples.iter().filter_map(|sample| {
            let watts = sample.power_w.filter(|watts| (0.0..MOST).contains(watts));
            matches!(sample.scope, Scope::Gpu(_)).then_some((&sample.scope, watts?))
        });
        let each = cards.map(|(card, watts)| {
            let rest = self.rest.entry(card.clone()).or_insert(REST);
            *rest = rest.min(watts);
            Graphics {
                whole: watts,
                above: watts - *rest,
            }
        });
        each.reduce(|all, one| Graphics {
            whole: all.whole + one.whole,
            above: all.above + one.above,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Source, Timestamp};
    use crate::power::testing::close;
    use crate::power::{Curve, Draw, Kind, NodePower, Prior, SourceKind, Work};
    use std::time::Duration;

    fn card(name: &str, power_w: Option<f64>) -> PowerSample {
        PowerSample {
            source_id: name.to_owned(),
            label: name.to_owned(),
            kind: SourceKind::Gpu,
            scope: Scope::Gpu(name.to_owned()),
            at: Timestamp::UNIX_EPOCH,
            age: Duration::ZERO,
            power_w,
            energy_kwh: None,
            suspect: None,
        }
    }

    #[test]
    fn what_is_above_rest_is_known_of_each_card_even_if_it_is_met_at_work() {
        let mut cards = Cards::default();
        assert_eq!(cards.look(&[]), None);
        let all = [
            card("a", Some(130.0)),
            card("b", Some(8.0)),
            card("c", None),
        ];
        let met = cards.look(&all).unwrap();
        assert_eq!((met.whole, met.above), (138.0, 100.0));
        let all = [card("a", Some(12.0)), card("b", Some(58.0))];
        let rests = cards.look(&all).unwrap();
        assert_eq!((rests.whole, rests.above), (70.0, 50.0));
        let works = cards.look(&[card("a", Some(112.0)), card("b", Some(-3.0))]);
        close(works.unwrap().above, 100.0);
    }

    const CURVE: Curve = Curve {
        idle_w: 20.0,
        max_w: 70.0,
    };

    /// A look at a machine with nothing to do.
    fn see(node: &mut NodePower, seconds: u64, samples: &[PowerSample]) -> Draw {
        let work = Work {
            usage_pct: Some(0.0),
            ..Work::default()
        };
        let up = Duration::from_secs(seconds);
        node.step(up, samples, &work).unwrap()
    }

    #[test]
    fn a_graphics_card_comes_on_top_of_what_knows_only_the_processor() {
        // The curve has the card at rest in it: what it draws above that is added at the wall.
        let mut node = NodePower::new(Some(CURVE), 0.0);
        let rests = see(&mut node, 0, &[card("card", Some(10.0))]);
        close(rests.power_w, 20.0);
        let works = see(&mut node, 10, &[card("card", Some(210.0))]);
        close(works.power_w, 240.0);
        assert_eq!(works.source, Source::Model);
        close(works.idle_w, 20.0);
        close(node.graphics_w().unwrap(), 220.0);
        assert!(works.band_w.0 < 225.0 && works.band_w.1 > 260.0);
        // Of its kind nothing says that it has a card.
        let mut node = NodePower::new(None, 0.0);
        node.assume(Prior::of(&Kind::default(), 8.0));
        let plain = see(&mut node, 0, &[]);
        let rests = see(&mut node, 10, &[card("card", Some(10.0))]);
        close(rests.power_w, plain.power_w + 11.0);
        close(rests.idle_w, plain.idle_w + 11.0);
        // A guided calibration works the processor alone.
        let mut node = NodePower::new(None, 0.0);
        assert!(node.calibrate(&[(0.0, 30.0), (30.0, 44.0), (100.0, 90.0)], 0.03));
        see(&mut node, 0, &[card("card", Some(10.0))]);
        let works = see(&mut node, 10, &[card("card", Some(110.0))]);
        assert_eq!(works.source, Source::Calibrated);
        assert!((works.power_w - 140.0).abs() < 2.0, "{}", works.power_w);
        // A meter has it all.
        let plug = PowerSample {
            kind: SourceKind::Meter,
            scope: Scope::Host,
            ..card("plug", Some(250.0))
        };
        let meter = see(&mut node, 20, &[plug, card("card", Some(110.0))]);
        close(meter.power_w, 250.0);
        close(node.graphics_w().unwrap(), 110.0);
    }
}
