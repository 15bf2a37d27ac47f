//! `conduit doctor` as a process: misconfigurations are planted on real servers, and each must be found with its cure.

mod changed_by_hand;
mod destinations;
mod environment;
mod examined;
mod mongodb;
mod redis;
mod sound;
mod tls_server;
