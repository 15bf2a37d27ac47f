//! A destination: its receiver, its moods, and all that came to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use conduit_testkit::receiver::{Ledger, Received, Receiver};
use fastrand::Rng;

use crate::arrivals::Arrival;
use crate::mood::{Mood, Reaction};
use crate::senders::{Senders, Ticket};

/// One destination of one collection, on a receiver of its own.
pub(crate) struct Destination {
    pub(crate) collection: &'static str,
    pub(crate) id: &'static str,
    receiver: Receiver,
    senders: Senders,
    state: Arc<Mutex<State>>,
}

struct State {
    rng: Rng,
    moods: Vec<(u64, Mood)>,
    last_mood: u64,
    connections: HashMap<u64, Option<Ticket>>,
    arrivals: Vec<Arrival>,
    noted: Ledger,
}

impl Destination {
    pub(crate) async fn start(
        collection: &'static str,
        id: &'static str,
        seed: u64,
        senders: Senders,
    ) -> Self {
        let receiver = Receiver::start().await;
        let state = Arc::new(Mutex::new(State {
            rng: Rng::with_seed(seed),
            moods: Vec::new(),
            last_mood: 0,
            connections: HashMap::new(),
            arrivals: Vec::new(),
            noted: Ledger::new(),
        }));
        receiver.answer_with({
            let (state, senders, address) = (Arc::clone(&state), senders.clone(), receiver.address());
            move |request| state.lock().unwrap().take(request, address, &senders).answer
        });
        Self {
            collection,
            id,
            receiver,
            senders,
            state,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.receiver.url()
    }

    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.collection, self.id)
    }

    /// Adds a mood; returns what [`calm`](Self::calm) takes it off by.
    pub(crate) fn upset(&self, mood: Mood) -> u64 {
        let mut state = self.state.lock().unwrap();
        state.last_mood += 1;
        let number = state.last_mood;
        state.moods.push((number, mood));
        number
    }

    pub(crate) fn calm(&self, mood: u64) {
        self.state
            .lock()
            .unwrap()
            .moods
            .retain(|(number, _)| *number != mood);
    }

    /// How many different records were noted.
    pub(crate) fn noted(&self) -> usize {
        self.state.lock().unwrap().noted.count()
    }

    /// Everything that came so far, in the order of arrival. Who sent the last may not be known yet.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        let mut arrivals = self.state.lock().unwrap().arrivals.clone();
        for arrival in &mut arrivals {
            arrival.sender = arrival.connection.and_then(|ticket| self.senders.of(ticket));
        }
        arrivals
    }

    /// The same, with all senders that can be known.
    pub(crate) async fn arrivals_with_senders(&self) -> Vec<Arrival> {
        self.senders.until_answered().await;
        self.arrivals()
    }

    /// What the ledger of noted records finds wrong.
    pub(crate) fn ledger_faults(&self) -> Vec<String> {
        self.state.lock().unwrap().noted.faults().to_vec()
    }
}

impl State {
    fn take(&mut self, request: &Received, receiver: SocketAddr, senders: &Senders) -> Reaction {
        let ask = || request.peer().map(|client| senders.ask(client, receiver));
        let ticket = *self.connections.entry(request.connection()).or_insert_with(ask);
        let Self { moods, rng, .. } = self;
        let reaction = moods.iter().find_map(|(_, mood)| mood.react(rng));
        let reaction = reaction.unwrap_or_else(Reaction::well);
        let arrival = Arrival::of(request, &reaction, ticket);
        if arrival.is_noted() {
            self.noted.enter(request.body());
        }
        self.arrivals.push(arrival);
        reaction
    }
}
