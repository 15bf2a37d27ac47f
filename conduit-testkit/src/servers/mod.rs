//! Real servers for tests: each on a free port of the loopback, ended when it is dropped.

mod mongo;
mod redis;
mod replica_set;

pub use mongo::{MongoServer, Topology, shared_mongodb_uri, unique_database_name};
pub use redis::RedisServer;
pub use replica_set::MongoReplicaSet;
