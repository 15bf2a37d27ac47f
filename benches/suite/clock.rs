//! Times that processes of one machine can compare, and the processor time of this one.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The time since the machine started: the same for all its processes.
pub(crate) fn now() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// The processor time that all threads of this process have taken, in its own code and in the kernel.
pub(crate) fn cpu() -> Duration {
    duration(clock_gettime(ClockId::ProcessCPUTime))
}

fn duration(time: Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}
