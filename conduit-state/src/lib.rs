//! Keeps what a Conduit process must not forget: positions, waiting records, dead letters, idempotency keys, leases.
//!
//! Every store implements [`conduit_core::StateStore`] and passes the conformance suite of `conduit-testkit`. Each is
//! behind a feature of its own, none of them on by default:
//!
//! | feature | store | for |
//! |---|---|---|
//! | `memory` | `MemoryStore` | tests, simulations, programs that start anew each time |
//! | `embedded` | `EmbeddedStore` | one process on one machine, nothing else to run |
//! | `redis` | `RedisStore` | several processes, several machines |

#[cfg(any(feature = "memory", feature = "embedded", feature = "redis"))]
mod cures;
#[cfg(feature = "embedded")]
mod embedded;
#[cfg(any(feature = "memory", feature = "embedded", feature = "redis"))]
mod encoding;
#[cfg(any(feature = "embedded", feature = "redis"))]
mod idempotency;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "memory", feature = "embedded", feature = "redis"))]
mod refusal;
#[cfg(any(feature = "memory", feature = "embedded"))]
mod rules;

#[cfg(feature = "embedded")]
pub use embedded::{EmbeddedSettings, EmbeddedStore};
#[cfg(any(feature = "embedded", feature = "redis"))]
pub use idempotency::Idempotency;
#[cfg(feature = "memory")]
pub use memory::MemoryStore;
#[cfg(feature = "redis")]
pub use redis::{
    Announcement, Announcements, AppendOnly, ClaimedCommand, CommandFor, RedisReport, RedisSettings,
    RedisStore, Tail, TailAnnouncements, TailNews, TailSubscription, WorkerStatus,
};
