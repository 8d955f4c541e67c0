//! The REST bridge: what is known, served to phones and scripts, and commands taken from them.
//!
//! HTTP/1.1 only: what a phone asks is small and rare, and a second protocol is a second way to
//! be attacked. Bodies are rendered once for each revision of the state.

mod alerts;
mod answer;
mod api;
mod attribution;
mod chart;
mod cursor;
mod disk;
mod document;
mod encoding;
mod events;
mod file;
mod guard;
mod health;
mod history;
mod limiter;
mod metrics;
mod outages;
mod params;
mod predictions;
mod problem;
mod report;
mod router;
mod series;
mod server;
mod stream;
mod summary;
mod ticket;
mod token;
mod usage;

pub use api::{Api, Part, Parts, Setup};
pub use attribution::Days;
pub use history::History;
pub use problem::Problem;
pub use router::router;
pub use server::{BindError, Listener, bind, run};
pub use ticket::TicketKey;
pub use token::{Scope, Token, TokenError, Tokens};
