//! The command line for people.

mod doctor;

pub use doctor::{DoctorArguments, doctor};
