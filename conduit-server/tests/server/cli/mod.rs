//! The command line as a process, against a real server or a stub that answers as a test tells it.

mod applying;
mod dead_letters;
mod exporting;
mod looking;
mod program;
mod refusals;
mod stub;
mod tailing;
mod terminals;
mod versions;
