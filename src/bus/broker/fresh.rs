use std::collections::{HashMap, VecDeque};

use crate::bus::Message;

/// Retained messages on their way to the broker: of each topic only the newest, in the order in
/// which the topics first came. Bounded by the number of topics.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    order: VecDeque<String>,
    messages: HashMap<String, Message>,
}

impl Fresh {
    pub(super) fn push(&mut self, message: Message) {
        let topic = message.topic.clone();
        if self.messages.insert(topic.clone(), message).is_none() {
            self.order.push_back(topic);
        }
    }

    /// Forgets what waits for `topic`: something newer is sent by another way.
    pub(super) fn remove(&mut self, topic: &str) {
        if self.messages.remove(topic).is_some() {
            self.order.retain(|other| other != topic);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Message> {
        let topic = self.order.pop_front()?;
        self.messages.remove(&topic)
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.messages.clear();
    }
}
