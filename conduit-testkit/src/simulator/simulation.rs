//! Runs one seed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;

use super::clock::WorldClock;
use super::configuration::Configuration;
use super::endpoint::Endpoint;
use super::event::Event;
use super::failure::Failure;
use super::happening::Happening;
use super::journal::Journal;
use super::plan::{MAX_STEP, Plan};
use super::referee::Referee;
use super::report::Report;
use super::source::{Source, SourceLink};
use super::store::{StoreLink, StoreServer};
use super::violation::Violation;
use super::worker::{Parts, Worker};

/// So long after all trouble has ended everything must be delivered: the longest retry schedule, a minute, for each of the
/// most writes, one after the other where all are of one key and little may wait at once.
const PATIENCE: Duration = Duration::from_secs(16_000);
/// How long a world that is quiet is watched still.
const LINGER: Duration = Duration::from_secs(3);

/// One simulated world: the real engine, once or twice, on simulated parts, all made up from one seed.
///
/// The same seed makes the same plan. Each worker has a runtime of its own, whose paused clock moves only when the
/// simulation lets it, so that one can be frozen while the other goes on, and killed with all that it was doing. After
/// every step all invariants are checked.
///
/// ```
/// use conduit_testkit::simulator::Simulation;
///
/// # fn main() -> Result<(), conduit_testkit::simulator::Failure> {
/// let report = Simulation::new(1).run()?;
/// assert!(report.calls > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Simulation {
    plan: Plan,
    clock: Arc<WorldClock>,
    journal: Journal,
    source: Arc<Source>,
    store: Arc<StoreServer>,
    endpoints: Vec<Arc<Endpoint>>,
    configuration: Configuration,
    workers: Vec<Option<Worker>>,
    sessions: usize,
    events: VecDeque<(Duration, Event)>,
    referee: Referee,
    rng: Rng,
}

impl Simulation {
    /// Makes the world of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let plan = Plan::new(seed);
        let clock = Arc::new(WorldClock::default());
        let journal = Journal::new(Arc::clone(&clock));
        let endpoints: Vec<Arc<Endpoint>> = plan
            .destinations
            .iter()
            .enumerate()
            .map(|(number, destination)| Endpoint::new(number, seed, destination.faults, Arc::clone(&clock)))
            .collect();
        Self {
            source: Source::new(Arc::clone(&clock), journal.clone()),
            store: StoreServer::new(Arc::clone(&clock), journal.clone()),
            configuration: Configuration::new(&plan, &endpoints, journal.clone()),
            workers: (0..plan.workers).map(|_| None).collect(),
            sessions: 0,
            events: plan.events.iter().cloned().collect(),
            referee: Referee::new(&plan),
            rng: Rng::with_seed(!seed),
            endpoints,
            journal,
            clock,
            plan,
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If a promise is broken.
    ///
    /// # Panics
    /// If called within an asynchronous runtime, which cannot hold another.
    pub fn run(self) -> Result<Report, Failure> {
        self.run_to_end().map(|referee| referee.report)
    }

    /// Runs it to its end and returns what happened last, in lines.
    ///
    /// # Errors
    /// If a promise is broken.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn trace(self) -> Result<Vec<String>, Failure> {
        self.run_to_end().map(|referee| referee.lines())
    }

    fn run_to_end(mut self) -> Result<Referee, Failure> {
        for destination in 0..self.plan.destinations.len() {
            self.configuration.add(destination, self.source.now());
        }
        while let Some((at, _)) = self.events.front() {
            self.step_to(*at, self.plan.max_step)?;
            if let Some((_, event)) = self.events.pop_front() {
                self.carry_out(event)?;
            }
        }
        let give_up = self.clock.elapsed() + PATIENCE;
        let mut is_quiet = false;
        while !is_quiet && self.clock.elapsed() < give_up {
            self.step_to(self.clock.elapsed() + MAX_STEP, MAX_STEP)?;
            is_quiet = self.referee.world.is_quiet();
        }
        if is_quiet {
            self.step_to(self.clock.elapsed() + LINGER, MAX_STEP)?;
            self.stop_all()?;
        }
        self.journal.note(Happening::End);
        self.look()?;
        self.referee.report.simulations = 1;
        self.referee.report.virtual_time = self.clock.elapsed();
        Ok(self.referee)
    }

    /// Lets everything run until so long after the beginning, in steps.
    fn step_to(&mut self, end: Duration, longest: Duration) -> Result<(), Failure> {
        while self.clock.elapsed() < end {
            let next = (self.clock.elapsed() + longest).min(end);
            let first = self.rng.usize(0..self.workers.len());
            for offset in 0..self.workers.len() {
                let number = (first + offset) % self.workers.len();
                if let Some(worker) = self.workers[number].as_ref().filter(|worker| !worker.is_frozen) {
                    worker.run_until(next);
                }
            }
            self.clock.reach(next);
            self.note_endings()?;
            self.note_status();
            self.look()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Failure> {
        self.referee.see(self.journal.take())
    }

    /// Asked only where the bounds are so low that a world of this size can come to them.
    fn note_status(&self) {
        if self.plan.settings.max_waiting_records >= self.plan.events.len() {
            return;
        }
        for worker in self.workers.iter().flatten().filter(|worker| !worker.is_frozen) {
            self.journal.note(Happening::Status {
                session: worker.session,
                collections: worker.status(),
            });
        }
    }

    fn note_endings(&mut self) -> Result<(), Failure> {
        for slot in &mut self.workers {
            let Some(worker) = slot.take_if(|worker| worker.has_ended()) else {
                continue;
            };
            let (session, undisturbed) = (worker.session, worker.is_undisturbed());
            if let Err(why) = worker.ending() {
                return Err(self.referee.failure(&Violation {
                    invariant: "the engine lives",
                    message: format!("worker run {session}: {why}"),
                    destination: None,
                }));
            }
            self.journal.note(Happening::Stopped { session, undisturbed });
        }
        Ok(())
    }

    fn carry_out(&mut self, event: Event) -> Result<(), Failure> {
        let elapsed = self.clock.elapsed();
        match event {
            Event::Write(changes) => self.source.write(&changes),
            Event::Start(worker) => self.start(worker)?,
            Event::Kill(worker) => {
                if let Some(worker) = self.workers[worker].take() {
                    self.journal.note(Happening::Killed(worker.session));
                }
            }
            Event::Stop(worker) => {
                if let Some(worker) = &mut self.workers[worker] {
                    worker.ask_to_stop(elapsed);
                    self.journal.note(Happening::StopAsked(worker.session));
                }
            }
            Event::Freeze(worker) => {
                if let Some(worker) = &mut self.workers[worker] {
                    worker.freeze();
                    self.journal.note(Happening::Frozen(worker.session));
                }
            }
            Event::Thaw(worker) => self.thaw(worker),
            Event::StoreAway { worker, lasts } => {
                self.trouble(format!("the store is away from {worker:?} for {lasts:?}"));
                match worker {
                    None => self.store.go_away(lasts),
                    Some(worker) => {
                        if let Some(worker) = &self.workers[worker] {
                            worker.store.go_away(lasts);
                        }
                    }
                }
            }
            Event::KeepImage => self.store.keep_image(),
            Event::Restore { back } => self.restore(back),
            Event::EndpointAway {
                destination,
                outage,
                lasts,
            } => {
                self.trouble(format!(
                    "d{destination} fails as a whole: {outage:?} for {lasts:?}"
                ));
                self.endpoints[destination].fail_for(outage, lasts);
            }
            Event::StreamsFail => {
                self.trouble("all streams fail".to_owned());
                self.source.break_streams();
            }
            Event::Calm => self.calm()?,
            change => self.change(change)?,
        }
        Ok(())
    }

    /// Changes the configuration, of all workers at once.
    fn change(&mut self, event: Event) -> Result<(), Failure> {
        let configuration = &mut self.configuration;
        self.journal.note(Happening::Trouble(format!("{event:?}")));
        match event {
            Event::SetRetries {
                destination,
                max_retries,
            } => configuration.set_retries(destination, max_retries),
            Event::SetConcurrency {
                destination,
                concurrency,
            } => configuration.set_concurrency(destination, concurrency),
            Event::Remove(destination) => configuration.remove(destination),
            Event::Add(destination) => configuration.add(destination, self.source.now()),
            Event::Suspend(collection) => configuration.suspend(collection, true),
            Event::Resume(collection) => configuration.suspend(collection, false),
            _ => {}
        }
        self.configure_all()
    }

    fn configure_all(&self) -> Result<(), Failure> {
        for worker in self.workers.iter().flatten() {
            let specs = self.configuration.specs(worker.session);
            worker
                .configure(specs)
                .map_err(|error| self.broken(&error.to_string()))?;
        }
        Ok(())
    }

    fn start(&mut self, number: usize) -> Result<(), Failure> {
        if self.workers[number].is_some() {
            return Ok(());
        }
        let session = self.sessions;
        self.sessions += 1;
        let watcher = SourceLink::new(Arc::clone(&self.source), self.plan.source, self.rng.u64(..));
        let store = StoreLink::new(
            Arc::clone(&self.store),
            session,
            self.plan.store,
            self.rng.u64(..),
        );
        self.journal.note(Happening::Started {
            worker: number,
            session,
        });
        let worker = Worker::start(Parts {
            session,
            world_clock: Arc::clone(&self.clock),
            watcher: Arc::new(watcher),
            store: Arc::new(store),
            settings: self.plan.settings.clone(),
            specs: self.configuration.specs(session),
            journal: self.journal.clone(),
        });
        self.workers[number] = Some(worker.map_err(|error| self.broken(&error.to_string()))?);
        Ok(())
    }

    fn broken(&self, why: &str) -> Failure {
        self.referee.failure(&Violation {
            invariant: "the simulation works",
            message: why.to_owned(),
            destination: None,
        })
    }

    fn thaw(&mut self, number: usize) {
        let elapsed = self.clock.elapsed();
        if let Some(worker) = self.workers[number].as_mut().filter(|worker| worker.is_frozen) {
            self.journal.note(Happening::Thawed(worker.session));
            worker.thaw(elapsed);
        }
    }

    /// The store comes back older than it was. Leases that it knows nothing of any more must have run out by then.
    fn restore(&mut self, back: usize) {
        let away = self.plan.settings.lease_time + 3 * MAX_STEP;
        self.store.restore(back, away);
    }

    fn trouble(&self, what: String) {
        self.journal.note(Happening::Trouble(what));
    }

    /// Ends all trouble, and sees to it that somebody works.
    fn calm(&mut self) -> Result<(), Failure> {
        self.journal.note(Happening::Calm);
        self.source.calm();
        self.store.calm();
        for endpoint in &self.endpoints {
            endpoint.calm();
        }
        for number in 0..self.workers.len() {
            self.thaw(number);
        }
        self.configuration.resume_all();
        self.configure_all()?;
        let works = |worker: &Worker| worker.stop_asked.is_none();
        if !self.workers.iter().flatten().any(works) {
            // One that is stopping still must be gone before another takes its place.
            self.stop_all()?;
            self.start(0)?;
        }
        Ok(())
    }

    /// Stops all workers and waits for them.
    fn stop_all(&mut self) -> Result<(), Failure> {
        let elapsed = self.clock.elapsed();
        for worker in self.workers.iter_mut().flatten() {
            worker.ask_to_stop(elapsed);
            self.journal.note(Happening::StopAsked(worker.session));
        }
        let give_up = elapsed + PATIENCE;
        while self.workers.iter().any(Option::is_some) {
            if self.clock.elapsed() > give_up {
                return Err(self.broken("a worker does not stop"));
            }
            self.step_to(self.clock.elapsed() + MAX_STEP, MAX_STEP)?;
        }
        Ok(())
    }
}
