//! homewatch: an MQTT-native monitor for people who run servers at home.

pub mod app;
pub mod bus;
pub mod cli;
pub mod collect;
pub mod config;
pub mod control;
pub mod doctor;
pub mod fan;
pub mod homeassistant;
pub mod host;
pub mod http;
pub mod local;
pub mod meter;
pub mod model;
pub mod power;
pub mod predict;
pub mod push;
pub mod report;
pub mod rules;
pub mod simulate;
pub mod store;
pub mod supervisor;
