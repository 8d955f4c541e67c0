//! Push messages: alerts to a phone through ntfy, and the presses of their buttons back.
//!
//! [`Outbox`] decides what is told, when and how much of it in one message; it does no IO. What
//! waits is durable before it is sent, so a crash loses nothing; one that falls between the
//! server's answer and our note of it makes one repetition, which ntfy 2.16 and later replace in
//! place because both carry the same sequence id.
//!
//! Buttons answer to the REST bridge if it has a public URL, else to a topic of the ntfy server
//! that homewatch listens to: no port has to be open. They carry a [`Tickets`] ticket, never the
//! credentials of homewatch.

mod buttons;
mod message;
mod notice;
mod ntfy;
mod outbox;
mod reply;
mod run;

#[cfg(test)]
mod tests;

pub use buttons::Tickets;
pub use message::Message;
pub use notice::{Episode, Notice, NoticeKind};
pub use outbox::{Effect, Failure, Input, Moment, Outbox, Policy};
pub use run::{Push, PushError, send_test};
