//! What a client wants to hear: taken, refused, taken back.

use rumqttd::protocol::{
    Packet, QoS, RetainForwardRule, SubAck, Subscribe, SubscribeReasonCode, UnsubAck,
    UnsubAckReason, Unsubscribe,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Client, MAX_QUEUE};
use crate::bus::embedded::guard::{Level, Message, Violation};
use crate::bus::embedded::wire::End;
use crate::model::valid_filter;

/// So many filters one client may have.
const MAX_FILTERS: usize = 256;
/// The longest filter, bytes.
const MAX_FILTER: usize = 1024;

/// What a client wants to hear.
pub(super) struct Subscription {
    pub(super) qos: u8,
    /// Goes with every message that it catches (MQTT 5, 3.3.2.3.8).
    pub(super) id: Option<usize>,
    /// Not what this very client has sent.
    pub(super) no_local: bool,
    /// With the sender's own retain flag.
    pub(super) as_published: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe, id: Option<usize>) -> Result<(), End> {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        let mut welcome = Vec::new();
        for filter in subscribe.filters {
            if let Some(refused) = self.refusal(&filter.path) {
                let plain = self.level == Level::V4;
                codes.push(if plain {
                    SubscribeReasonCode::Failure
                } else {
                    refused
                });
                continue;
            }
            if self.link.is_none() {
                self.link = Some(self.hub.router().subscribe()?);
            }
            codes.push(match filter.qos {
                QoS::AtMostOnce => SubscribeReasonCode::QoS0,
                QoS::AtLeastOnce => SubscribeReasonCode::QoS1,
                QoS::ExactlyOnce => SubscribeReasonCode::QoS2,
            });
            let qos = filter.qos as u8;
            let subscription = Subscription {
                qos,
                id,
                no_local: filter.nolocal,
                as_published: filter.preserve_retain,
            };
            let new = self
                .filters
                .insert(filter.path.clone(), subscription)
                .is_none();
            let wanted = match filter.retain_forward_rule {
                RetainForwardRule::OnEverySubscribe => true,
                RetainForwardRule::OnNewSubscribe => new,
                RetainForwardRule::Never => false,
            };
            // The 3.1.1 codec says Never for what has no such rule there.
            if wanted || self.level == Level::V4 {
                welcome.push(filter);
            }
        }
        let ack = SubAck {
            pkid: subscribe.pkid,
            return_codes: codes,
        };
        self.wire.put(self.level, Packet::SubAck(ack, None))?;
        for filter in welcome {
            for mut message in self.hub.retained().matching(&filter.path) {
                if self.rights.may_read(&message.topic) {
                    message.qos = lower(message.qos, filter.qos as u8);
                    name(&mut message, id.into_iter().collect());
                    self.outbox.push(message);
                }
            }
            if self.outbox.len() > MAX_QUEUE {
                return Err(Violation::Protocol("subscriptions again and again").into());
            }
        }
        Ok(())
    }

    fn refusal(&self, filter: &str) -> Option<SubscribeReasonCode> {
        if filter.starts_with("$share/") {
            return Some(SubscribeReasonCode::SharedSubscriptionsNotSupported);
        }
        if !valid_filter(filter) || filter.len() > MAX_FILTER {
            return Some(SubscribeReasonCode::TopicFilterInvalid);
        }
        if !self.rights.may_subscribe(filter) {
            return Some(SubscribeReasonCode::NotAuthorized);
        }
        let full = self.filters.len() >= MAX_FILTERS && !self.filters.contains_key(filter);
        full.then_some(SubscribeReasonCode::QuotaExceeded)
    }

    pub(super) fn unsubscribe(&mut self, unsubscribe: &Unsubscribe) -> Result<(), End> {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            reasons.push(match self.filters.remove(filter) {
                Some(_) => UnsubAckReason::Success,
                None => UnsubAckReason::NoSubscriptionExisted,
            });
        }
        if self.filters.is_empty() {
            self.link = None;
        }
        let ack = UnsubAck {
            pkid: unsubscribe.pkid,
            reasons,
        };
        self.wire.put(self.level, Packet::UnsubAck(ack, None))
    }
}

/// Puts the identifiers of the subscriptions that caught it on a message.
pub(super) fn name(message: &mut Message, ids: Vec<usize>) {
    if !ids.is_empty() {
        let properties = message.properties.get_or_insert_default();
        properties.subscription_identifiers = ids;
    }
}

/// The lower of a message's `QoS` and what was granted.
pub(super) fn lower(qos: QoS, granted: u8) -> QoS {
    rumqttd::protocol::qos((qos as u8).min(granted)).unwrap_or_default()
}
