//! Benchmarks of Conduit, each beside what it is compared with: `cargo bench -p conduit-benches`.
