//! Who changes the configuration of a collection.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// How many collections can be changed at the same time.
const PLACES: usize = 64;

/// Locks by collection, held by whoever changes one's configuration, from its first look to its last write, so that a
/// collection's indexes are never made after one configuration while another is stored. Requests are read before one is
/// taken; nobody takes two.
#[derive(Clone, Debug)]
pub(crate) struct Writing(Arc<[Mutex<()>; PLACES]>);

impl Default for Writing {
    fn default() -> Self {
        Self(Arc::new(std::array::from_fn(|_| Mutex::default())))
    }
}

impl Writing {
    /// Waits until nobody else changes the collection. Some others may have to wait as well.
    pub(crate) async fn lock(&self, collection: &str) -> MutexGuard<'_, ()> {
        let place = collection.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.0[place % PLACES].lock().await
    }
}
