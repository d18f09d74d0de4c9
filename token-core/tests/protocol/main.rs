//! The refresh protocol, transition by transition and race by race.

#![allow(clippy::unwrap_used, unreachable_pub)]

mod world;

mod answering;
mod chaos;
mod damage;
mod judging;
mod migrating;
mod outliving;
mod reading;
mod refusing;
mod rescue;
mod serving;
mod signing;
mod spending;
mod throttling;
