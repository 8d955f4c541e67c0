use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What used the processor between two looks. Cheap to clone; clones share it: the collector
/// leaves it here at each tick, and the task that attributes watts takes it.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Mutex<Option<Spent>>>);

/// Processor time between two looks, s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spent {
    /// By everything there is.
    pub total_s: f64,
    /// By each service, by name.
    pub services: BTreeMap<String, f64>,
}

impl Activity {
    /// Leaves what was spent since the last look, in place of what nobody has taken.
    pub fn leave(&self, spent: Spent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(spent);
    }

    /// Takes what was left; `None` if nothing was since the last time.
    pub fn take(&self) -> Option<Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Services that are gone are remembered up to so many in all.
const FORGET: usize = 2000;

/// Makes the time between two looks out of counters that only grow, but for services that begin
/// anew.
#[derive(Debug, Default)]
pub struct Counters {
    total_s: Option<f64>,
    services: BTreeMap<String, f64>,
}

impl Counters {
    /// Takes in how much everything (`total_s`) and each service has used so far, s; gives what
    /// lies between this look and the last, `None` at the first. A service that is new, or whose
    /// counter went back, began in between: all its time counts. Where services claim more than
    /// there was (they are read a moment later), each is cut alike.
    pub fn look(&mut self, total_s: f64, services: BTreeMap<String, f64>) -> Option<Spent> {
        let total = self
            .total_s
            .replace(total_s)
            .map(|last| (total_s - last).max(0.0));
        let before = std::mem::take(&mut self.services);
        let spent = total.map(|total_s| {
            let grown = services.iter().map(|(name, now)| {
                let last = before.get(name).copied().filter(|last| last <= now);
                (name.clone(), (now - last.unwrap_or(0.0)).max(0.0))
            });
            let mut services: BTreeMap<_, _> = grown.collect();
            let claimed: f64 = services.values().sum();
            if claimed > total_s {
                for spent in services.values_mut() {
                    *spent *= total_s / claimed;
                }
            }
            Spent { total_s, services }
        });
        // One that cannot be read for a moment goes on where it was when it is back.
        if before.len() <= FORGET {
            self.services = before;
        }
        self.services.extend(services);
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(list: &[(&str, f64)]) -> BTreeMap<String, f64> {
        list.iter()
            .map(|(name, spent)| ((*name).to_owned(), *spent))
            .collect()
    }

    #[test]
    fn what_lies_between_two_looks_is_told_and_who_began_anew_counts_whole() {
        let mut counters = Counters::default();
        let first = services(&[("a", 100.0), ("b", 7.0), ("gone", 3.0)]);
        assert_eq!(counters.look(500.0, first), None);
        // `b` was restarted, `new` is new, `gone` is gone.
        let spent = counters
            .look(520.0, services(&[("a", 104.0), ("b", 2.0), ("new", 1.5)]))
            .unwrap();
        assert_eq!(
            spent.services,
            services(&[("a", 4.0), ("b", 2.0), ("new", 1.5)])
        );
        assert!((spent.total_s - 20.0).abs() < 1e-9);
    }

    #[test]
    fn nobody_has_more_than_there_was_and_a_reboot_is_no_use_at_all() {
        let mut counters = Counters::default();
        counters.look(10.0, services(&[("a", 0.0), ("b", 0.0)]));
        let spent = counters
            .look(13.0, services(&[("a", 4.0), ("b", 2.0)]))
            .unwrap();
        assert_eq!(spent.services, services(&[("a", 2.0), ("b", 1.0)]));
        let spent = counters.look(1.0, services(&[("a", 1.0)])).unwrap();
        assert_eq!(spent.services, services(&[("a", 0.0)]));
        assert!(spent.total_s.abs() < 1e-9);
    }

    #[test]
    fn a_service_that_was_away_for_a_look_goes_on_where_it_was() {
        let mut counters = Counters::default();
        counters.look(0.0, services(&[("a", 900.0)]));
        counters.look(10.0, BTreeMap::new());
        let spent = counters.look(20.0, services(&[("a", 903.0)])).unwrap();
        assert_eq!(spent.services, services(&[("a", 3.0)]));
        let many = (0..=FORGET).map(|number| (number.to_string(), 1.0));
        counters.look(30.0, many.collect());
        counters.look(40.0, BTreeMap::new());
        assert!(counters.services.is_empty(), "no more than is useful");
    }

    #[test]
    fn what_is_left_is_taken_once() {
        let activity = Activity::default();
        assert_eq!(activity.take(), None);
        activity.leave(Spent::default());
        activity.leave(Spent {
            total_s: 2.0,
            ..Spent::default()
        });
        assert!((activity.take().unwrap().total_s - 2.0).abs() < 1e-9);
        assert_eq!(activity.take(), None);
    }
}
