//! State in memory.

mod collection;
mod store;

pub use store::MemoryStore;
