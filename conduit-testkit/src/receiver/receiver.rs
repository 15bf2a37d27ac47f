//! The handle of a running receiver.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{self, Handle};
use tokio::sync::{oneshot, watch};
use tokio::time;

use super::connection::serve;
use super::log::Log;
use super::{Answer, Received};

/// How long a wait lasts before the test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// An HTTP/1.1 server on a free loopback port, in a thread of its own, so that neither a test's busy runtime nor its
/// paused clock touches it. Answers 200 until it is told otherwise. Stops when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    log: Arc<Log>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// Starts a receiver.
    ///
    /// # Panics
    /// If the machine has no port or no thread left.
    pub async fn start() -> Self {
        let started = Self::try_start().await;
        started.unwrap_or_else(|error| panic!("the receiver cannot start: {error}"))
    }

    async fn try_start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let log = Arc::new(Log::new());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = {
            let log = log.clone();
            let work = move || {
                runtime.block_on(async move {
                    tokio::select! {
                        () = accept(listener, log) => (),
                        _ = stopped => (),
                    }
                });
            };
            std::thread::Builder::new()
                .name("receiver".to_owned())
                .spawn(work)?
        };
        Ok(Self {
            address,
            log,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Returns where it listens: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on as `behaviour` says. It is asked once for each request, in the order of their arrival.
    pub fn answer_with(&self, behaviour: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.log.set_behaviour(Arc::new(behaviour));
    }

    /// Answers the next requests with `answers`, one each, and all later ones with 200.
    pub fn answer_in_turn(&self, answers: impl IntoIterator<Item = Answer>) {
        let left = Mutex::new(answers.into_iter().collect::<VecDeque<Answer>>());
        self.answer_with(move |_| {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or(Answer::Status(200))
        });
    }

    /// Returns everything received so far, in the order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.log.arrivals().requests.clone()
    }

    /// Waits until `count` requests have come and returns all that have. They may not be answered yet.
    ///
    /// # Panics
    /// If they have not come after 30 seconds.
    pub async fn wait_for(&self, count: usize) -> Vec<Arc<Received>> {
        self.wait_until(|received| received.len() >= count).await
    }

    /// Waits until `count` different events, by their `webhook-id`, were acknowledged, and returns all requests.
    ///
    /// # Panics
    /// If they were not within `deadline`.
    pub async fn wait_for_events(&self, count: usize, deadline: Duration) -> Vec<Arc<Received>> {
        let events = || self.log.arrivals().acknowledged_events.len();
        if !self.wait(deadline, || events() >= count).await {
            panic!("only {} of {count} events came within {deadline:?}", events());
        }
        self.received()
    }

    /// Waits until `predicate` holds for everything received so far, in the order of arrival, and returns it. Asked
    /// again after each arrival; it must not call the receiver.
    ///
    /// # Panics
    /// If it does not hold after 30 seconds.
    pub async fn wait_until(&self, predicate: impl Fn(&[Arc<Received>]) -> bool) -> Vec<Arc<Received>> {
        if !self
            .wait(DEADLINE, || predicate(&self.log.arrivals().requests))
            .await
        {
            panic!(
                "not within {DEADLINE:?}; {} requests came",
                self.log.arrivals().requests.len()
            );
        }
        self.received()
    }

    /// Closes every connection once its answer, if one is due, is sent; returns when all are closed. A connection
    /// that waits for an answer that never comes is closed by dropping the receiver only.
    ///
    /// # Panics
    /// If they are not closed after 30 seconds.
    pub async fn close_connections(&self) {
        self.log.closing.send_modify(|count| *count += 1);
        let mut open = self.log.open.subscribe();
        if !self.within(DEADLINE, open.wait_for(|open| *open == 0)).await {
            panic!("connections are still open after {DEADLINE:?}");
        }
    }

    /// Waits for `holds`, asked after each arrival; `false` if the deadline came first.
    async fn wait(&self, deadline: Duration, holds: impl Fn() -> bool) -> bool {
        let mut count: watch::Receiver<usize> = self.log.count.subscribe();
        let waiting = async {
            // Asked after the count was marked as seen, so that no arrival goes unnoticed.
            while !holds() && count.changed().await.is_ok() {}
        };
        self.within(deadline, waiting).await
    }

    /// Waits at most `deadline`, by the receiver's clock, which no test pauses; `false` if it came first.
    async fn within<T>(&self, deadline: Duration, waiting: impl Future<Output = T>) -> bool {
        let alarm = self.runtime.spawn(time::sleep(deadline));
        let abort = alarm.abort_handle();
        let in_time = tokio::select! {
            biased;
            _ = waiting => true,
            _ = alarm => false,
        };
        abort.abort();
        in_time
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed; the test fails by what is missing.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, log: Arc<Log>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => panic!("the receiver cannot listen: {error}"),
    };
    for number in 0.. {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                // Owned by the runtime, which ends with the receiver.
                tokio::spawn(serve(stream, number, log.clone()));
            }
            // Out of file descriptors, say: others close meanwhile.
            Err(_) => time::sleep(Duration::from_millis(10)).await,
        }
    }
}
