//! Many collections under load, some of them changed all the time: nothing is lost, out of order or repeated, with those
//! that are changed as with those that are not.
//!
//! `CONDUIT_TOGGLE_COLLECTIONS` sets how many there are, of which every fifth is changed, `CONDUIT_TOGGLE_WRITES` how many
//! writes a second, `CONDUIT_TOGGLE_SECONDS` for how long, and `CONDUIT_TOGGLE_SEED` which shapes, writes and changes.

mod account;
mod arrivals;
mod change;
mod fleet;
mod history;
mod ledger;
mod run;
mod size;
mod table;
mod timeline;
mod toggled;
mod toggler;
mod wants;
mod writer;
