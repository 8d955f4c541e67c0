//! Which part of the service carries out which orders.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use super::Request;
use crate::model::Action;

/// So many orders of one part may wait.
const WAITING: usize = 16;

/// The parts that take orders, by verb.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<BTreeMap<&'static str, mpsc::Sender<Request>>>);

impl Orders {
    /// Whoever took them before gets no more.
    pub(super) fn take(&self, verbs: &[&'static str]) -> mpsc::Receiver<Request> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut takers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        takers.extend(verbs.iter().map(|verb| (*verb, sender.clone())));
        receiver
    }

    /// Hands `request` over; gives it back if nobody takes it, with the reason if whoever does is
    /// too busy.
    pub(super) fn hand(&self, request: Request) -> Option<(Request, Option<&'static str>)> {
        let Action::Order(order) = &request.command.action else {
            return Some((request, None));
        };
        let verb = order.verb;
        let mut takers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(taker) = takers.get(verb) else {
            return Some((request, None));
        };
        match taker.try_send(request) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(request)) => Some((
                request,
                Some("it still works on earlier commands; try again later"),
            )),
            Err(mpsc::error::TrySendError::Closed(request)) => {
                takers.remove(verb);
                Some((request, None))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Command, Origin};
    use tokio::sync::oneshot;

    fn request(name: &str, payload: &str) -> Request {
        let (respond, _) = oneshot::channel();
        let command = Command::parse(name, payload.as_bytes(), Origin::Push).unwrap();
        Request { command, respond }
    }

    #[test]
    fn orders_go_to_the_part_that_took_them_last() {
        let orders = Orders::default();
        let given_back = |name: &str| orders.hand(request(name, "50")).map(|(_, error)| error);
        assert_eq!(given_back("fan/cpu/set"), Some(None), "nobody takes it");
        let mut before = orders.take(&["fan/set", "wake"]);
        let mut fans = orders.take(&["fan/set"]);
        assert_eq!(given_back("fan/cpu/set"), None);
        let order = fans.try_recv().unwrap().command.action;
        let Action::Order(order) = order else {
            panic!("{order:?}")
        };
        assert_eq!(
            (order.verb, &*order.target, order.text.as_deref()),
            ("fan/set", "cpu", Some("50"))
        );
        assert_eq!(given_back("wake/nas"), None);
        assert!(before.try_recv().is_ok(), "the other verb is still its own");
        for _ in 0..WAITING {
            assert_eq!(given_back("fan/cpu/set"), None);
        }
        assert!(
            matches!(given_back("fan/cpu/set"), Some(Some(_))),
            "too many"
        );
        drop(fans);
        assert_eq!(given_back("fan/cpu/set"), Some(None), "the part has ended");
        assert_eq!(given_back("alert/all/ack"), Some(None), "for the rules");
    }
}
