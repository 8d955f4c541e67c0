//! What the command line does besides running the service.

mod token;

pub use token::{TokenAction, TokenArgs, run as token};
