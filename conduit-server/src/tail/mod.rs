//! Lets people look on at a collection's records: each of them, and what became of it at each destination.
//!
//! A reader has a bounded [`Queue`], into which everything goes that it wants to see: what this process's engine settles,
//! directly; what another process's does, through Redis. Nobody waits for a reader: what finds its queue full is counted, and
//! it is told how many it missed.

mod attendant;
mod event;
mod publication;
mod queue;
mod reader;
mod tails;

pub(crate) use attendant::Attendant;
pub(crate) use publication::Publisher;
pub(crate) use queue::Wanted;
pub(crate) use reader::Reader;
pub(crate) use tails::{MAX_READERS, Tails};
