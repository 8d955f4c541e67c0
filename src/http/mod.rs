//! The REST bridge: what is known, served to phones and scripts, and commands taken from them.

mod file;
mod ticket;

pub use ticket::TicketKey;
