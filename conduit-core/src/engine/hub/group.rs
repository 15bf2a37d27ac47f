//! The subscriptions of one image mode, and the streams that they share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::member::{LONGEST_SLICE, Member, SLICE};
use super::plan::{self, Opening};
use super::queue::{HubEvent, Wake};
use super::run::{Run, RunEvent};
use crate::contract::{BatchLimits, WatchError, WatchErrorKind, WatchTarget, Watcher};
use crate::delivery::sleep_until;
use crate::value::CollectionName;

/// How long those rest who ask for what the source does not allow.
const INVALID_WAIT: Duration = Duration::from_secs(5);
/// A stream is opened when nobody has joined for so long…
const JOIN_PAUSE: Duration = Duration::from_millis(10);
/// … or somebody has waited for so long.
const JOIN_LIMIT: Duration = Duration::from_millis(300);
/// How long a lead may cover collections that nobody wants any more.
const RENEW_AFTER: Duration = Duration::from_secs(30);
/// So many times the chase reads to the end of the history and is not as far as the lead, before the lead waits for it.
const NEAR_MISSES: u32 = 8;

/// Reads for all its members with at most two streams.
pub(super) struct Group {
    watcher: Arc<dyn Watcher>,
    limits: BatchLimits,
    joining: mpsc::UnboundedReceiver<Member>,
    wake: Arc<Wake>,
    /// The run that is farthest ahead.
    lead: Option<Run>,
    /// The run of those that are behind, or the one that is to replace the lead.
    chase: Option<Run>,
    /// Members of no run.
    waiting: Vec<Member>,
    joined: Option<Joined>,
    near_misses: u32,
    is_leads_turn: bool,
    /// When it was last looked for what the lead covers and nobody wants.
    looked_for_unwanted: Instant,
}

/// When members came for whom no stream was opened yet.
#[derive(Clone, Copy)]
struct Joined {
    first: Instant,
    last: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Role {
    Lead,
    Chase,
}

impl Group {
    pub(super) fn new(
        watcher: Arc<dyn Watcher>,
        limits: BatchLimits,
        joining: mpsc::UnboundedReceiver<Member>,
        wake: Arc<Wake>,
    ) -> Self {
        Self {
            watcher,
            limits,
            joining,
            wake,
            lead: None,
            chase: None,
            waiting: Vec::new(),
            joined: None,
            near_misses: 0,
            is_leads_turn: true,
            looked_for_unwanted: Instant::now(),
        }
    }

    /// Runs until nobody can join any more.
    pub(super) async fn run(mut self) {
        loop {
            let now = Instant::now();
            self.settle(now);
            let wake_at = self.next_wake(now);
            // What changes the members comes first; the two runs take turns, so that neither starves the other.
            tokio::select! {
                biased;
                member = self.joining.recv() => match member {
                    Some(member) => self.join(member),
                    None => return,
                },
                () = self.wake.woken() => {}
                (role, event) = next_event(&mut self.lead, &mut self.chase, self.is_leads_turn, self.near_misses) => {
                    self.is_leads_turn = role == Role::Chase;
                    self.on_event(role, event);
                }
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Takes in one that comes, and all that came with it.
    fn join(&mut self, member: Member) {
        let now = Instant::now();
        self.joined = Some(Joined {
            first: self.joined.map_or(now, |joined| joined.first),
            last: now,
        });
        self.waiting.push(member);
        while let Ok(member) = self.joining.try_recv() {
            self.waiting.push(member);
        }
    }

    /// Does everything that can be done without waiting.
    fn settle(&mut self, now: Instant) {
        if self.wake.take_left() {
            self.waiting.retain(|member| !member.queue.is_closed());
            for run in [&mut self.lead, &mut self.chase].into_iter().flatten() {
                run.prune();
            }
        }
        // Before the stalled ones are looked at, since it may have others wait for them.
        self.relate(now);
        let somebody_waits = self.waiting.iter().any(|member| member.is_able(now));
        for run in [&mut self.lead, &mut self.chase].into_iter().flatten() {
            run.serve_stalled(now);
            for mut member in run.detach_stalled(now, somebody_waits) {
                member.detach(now);
                self.waiting.push(member);
            }
        }
        self.drop_deserted();
        if !self.waiting.is_empty() {
            self.admit(now);
            self.end_slice(now);
        }
        self.open(now);
    }

    /// Makes one run of two where that is possible.
    fn relate(&mut self, now: Instant) {
        let (Some(lead), Some(chase)) = (&mut self.lead, &mut self.chase) else {
            return;
        };
        if chase.succeeds_lead {
            return;
        }
        if chase.position().is_of_other_source(lead.position()) && self.near_misses >= NEAR_MISSES {
            // It will never be known to be as far. The source changed its name, which the chase heard last: the others hear
            // it too once they begin anew.
            let members = lead.disband();
            self.lead = self.chase.take();
            self.near_misses = 0;
            self.release(members, now);
            return;
        }
        if !chase.is_comparable_with(lead) || chase.position() < lead.position() {
            return;
        }
        if !plan::is_near(lead.position(), chase.position()) {
            std::mem::swap(lead, chase);
            return;
        }
        let mut others = Vec::new();
        for member in chase.disband() {
            if lead.can_take(&member) {
                lead.take(member);
            } else {
                others.push(member);
            }
        }
        self.chase = None;
        self.near_misses = 0;
        // Those that the lead does not cover go on in one that does.
        self.release(others, now);
    }

    /// The chase, which covers what the lead does and more, takes its place: members may always go back to a run that
    /// stands before them.
    fn replace_lead(&mut self, now: Instant) {
        let Some(mut chase) = self.chase.take() else {
            return;
        };
        let mut others = Vec::new();
        for member in self
            .lead
            .take()
            .map(|mut lead| lead.disband())
            .unwrap_or_default()
        {
            if chase.can_take(&member) {
                chase.take(member);
            } else {
                others.push(member);
            }
        }
        chase.began = now;
        chase.succeeds_lead = false;
        self.lead = Some(chase);
        self.near_misses = 0;
        self.release(others, now);
    }

    fn drop_deserted(&mut self) {
        self.chase = self
            .chase
            .take()
            .filter(|chase| chase.succeeds_lead || !chase.is_deserted());
        self.lead = self.lead.take().filter(|lead| !lead.is_deserted());
        if self.lead.is_none() {
            self.lead = self.chase.take();
            if let Some(lead) = &mut self.lead {
                lead.succeeds_lead = false;
            }
        }
    }

    /// Has runs take those along that can go on from their places.
    fn admit(&mut self, now: Instant) {
        let mut left = Vec::new();
        for member in std::mem::take(&mut self.waiting) {
            let runs = [&mut self.lead, &mut self.chase];
            let takes =
                |run: &&mut Run| run.can_take(&member) && plan::is_near(run.position(), &member.position);
            if member.is_able(now)
                && let Some(run) = runs.into_iter().flatten().find(takes)
            {
                run.take(member);
            } else {
                left.push(member);
            }
        }
        self.waiting = left;
    }

    /// Ends a chase that others have waited for long enough.
    fn end_slice(&mut self, now: Instant) {
        let is_awaited = |member: &Member| member.is_able(now) && member.waits_since + SLICE <= now;
        if self.chase.as_ref().is_some_and(|chase| chase.slice_end() <= now)
            && self.waiting.iter().any(is_awaited)
            && let Some(mut chase) = self.chase.take()
        {
            let is_futile = chase.is_futile();
            let mut members = chase.disband();
            for member in &mut members {
                // Whoever got nothing waits longer the next time, until something comes.
                member.slice = match is_futile {
                    true => member.slice.saturating_mul(2).min(LONGEST_SLICE),
                    false => SLICE,
                };
            }
            self.release(members, now);
        }
    }

    fn release(&mut self, members: Vec<Member>, now: Instant) {
        for mut member in members {
            member.detach(now);
            self.waiting.push(member);
        }
    }

    /// Opens a stream for those that wait, or a narrower one than the lead.
    fn open(&mut self, now: Instant) {
        if self.lead.is_some() && self.chase.is_some()
            || self.joined.is_some_and(|joined| joined.is_coming(now))
        {
            return;
        }
        self.joined = None;
        let opening = if self.waiting.iter().any(|member| member.is_able(now)) {
            plan::next_opening(&self.waiting, self.lead.as_ref(), now)
        } else {
            self.renewal(now)
        };
        let Some(opening) = opening else { return };
        let is_wide = matches!(opening, Opening::Wide(_));
        let covered = if is_wide {
            self.all_targets()
        } else {
            self.waiting_targets()
        };
        let (Opening::Narrow(position) | Opening::Wide(position)) = opening;
        let mut run = Run::new(Arc::clone(&self.watcher), self.limits, covered, position);
        if self.lead.is_none() {
            self.lead = Some(run);
        } else {
            run.succeeds_lead = is_wide;
            self.near_misses = 0;
            self.chase = Some(run);
        }
        self.admit(now);
    }

    /// A lead that covers too much is replaced by one that does not. It is looked for now and then, since it takes a look at
    /// everybody.
    fn renewal(&mut self, now: Instant) -> Option<Opening> {
        let lead = self.lead.as_ref().filter(|lead| lead.reached_end())?;
        if now < lead.began + RENEW_AFTER || now < self.looked_for_unwanted + RENEW_AFTER {
            return None;
        }
        self.looked_for_unwanted = now;
        let wanted = self.all_targets();
        let is_unwanted = lead
            .covered()
            .any(|target| !wanted.contains_key(&target.collection));
        is_unwanted.then(|| Opening::Wide(lead.position().clone()))
    }

    /// What those that wait want to read.
    fn waiting_targets(&self) -> HashMap<CollectionName, WatchTarget> {
        by_name(self.waiting.iter().map(|member| &member.target))
    }

    /// What all members want to read.
    fn all_targets(&self) -> HashMap<CollectionName, WatchTarget> {
        let runs = [&self.lead, &self.chase].into_iter().flatten();
        // The newest word on a collection counts: an older one is of a subscription that is about to go.
        let mut targets = by_name(runs.flat_map(Run::wanted));
        targets.extend(self.waiting_targets());
        targets
    }

    fn on_event(&mut self, role: Role, event: RunEvent) {
        let now = Instant::now();
        let run = match role {
            Role::Lead => &mut self.lead,
            Role::Chase => &mut self.chase,
        };
        let Some(run) = run else { return };
        match event {
            RunEvent::Opened => {
                if role == Role::Chase && run.succeeds_lead {
                    self.replace_lead(now);
                }
            }
            RunEvent::Batch(batch) => {
                if run.recovered() {
                    tracing::info!("the change stream is open again");
                }
                run.hand_over(batch);
                if role == Role::Chase && run.reached_end() {
                    self.near_misses += 1;
                }
            }
            RunEvent::Failed(error) => self.failed(role, &error, now),
        }
    }

    fn failed(&mut self, role: Role, error: &WatchError, now: Instant) {
        let run = match role {
            Role::Lead => &mut self.lead,
            Role::Chase => &mut self.chase,
        };
        let Some(failed) = run else { return };
        let why: Arc<str> = error.to_string().into();
        let source = std::error::Error::source(error).map(ToString::to_string);
        if error.kind() == WatchErrorKind::Unavailable {
            self.near_misses = 0;
            let is_first = !failed.is_failing();
            let wait = failed.failed(&why);
            let source = source.as_deref();
            if is_first {
                tracing::warn!(%error, source, retry_in = ?wait, "a change stream failed; it is opened again until it works");
            } else {
                tracing::debug!(%error, source, retry_in = ?wait, "a change stream failed again");
            }
            return;
        }
        // It is the place that cannot be gone on from, or what comes after it: of those who stand there only.
        let (place, is_for_all) = (failed.position().clone(), failed.succeeds_lead);
        let members = failed.disband();
        *run = None;
        let (mut there, mut elsewhere): (Vec<Member>, Vec<Member>) =
            members.into_iter().partition(|member| member.position == place);
        // Nobody's position is in question, but what was to take the lead's place is not asked for again at once.
        let is_nobody_there = there.is_empty() && is_for_all;
        if is_nobody_there {
            std::mem::swap(&mut there, &mut elsewhere);
        }
        self.release(elsewhere, now);
        tracing::warn!(%error, source = source.as_deref(), position = ?place, subscriptions = there.len(), "cannot read on from a position");
        for mut member in there {
            if error.kind() == WatchErrorKind::HistoryLost && !is_nobody_there {
                member.queue.put(HubEvent::HistoryLost);
                continue;
            }
            member.interrupt(&why);
            member.rests_until = Some(now + INVALID_WAIT);
            self.waiting.push(member);
        }
    }

    /// When there is something to be done though nothing happens.
    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let runs = [&self.lead, &self.chase].into_iter().flatten();
        let detachments = runs.filter_map(Run::next_detachment);
        let joined = self.joined.map(Joined::until);
        let rested = self.waiting.iter().filter_map(|member| member.rests_until);
        let is_awaited = |chase: &&Run| !self.waiting.is_empty() && !chase.is_deserted();
        let slice = self.chase.as_ref().filter(is_awaited);
        let slice = slice.map(|chase| chase.slice_end().max(now + SLICE / 10));
        let all = detachments.chain(joined).chain(rested).chain(slice);
        all.filter(|at| *at > now).min()
    }
}

impl Joined {
    fn until(self) -> Instant {
        (self.last + JOIN_PAUSE).min(self.first + JOIN_LIMIT)
    }

    fn is_coming(self, now: Instant) -> bool {
        now < self.until()
    }
}

fn by_name<'a>(targets: impl Iterator<Item = &'a WatchTarget>) -> HashMap<CollectionName, WatchTarget> {
    targets
        .map(|target| (target.collection.clone(), target.clone()))
        .collect()
}

/// The next event of either run; the lead's turn or not, it gets what is there.
async fn next_event(
    lead: &mut Option<Run>,
    chase: &mut Option<Run>,
    is_leads_turn: bool,
    near_misses: u32,
) -> (Role, RunEvent) {
    // The chase is as good as there: the lead lets it come.
    let lead_waits = near_misses >= NEAR_MISSES
        && chase
            .as_ref()
            .zip(lead.as_ref())
            .is_some_and(|(chase, lead)| chase.can_read() && chase.is_comparable_with(lead));
    let lead = async {
        match lead {
            Some(run) if run.can_read() && !lead_waits => (Role::Lead, run.next().await),
            _ => std::future::pending().await,
        }
    };
    let chase = async {
        match chase {
            Some(run) if run.can_read() => (Role::Chase, run.next().await),
            _ => std::future::pending().await,
        }
    };
    if is_leads_turn {
        tokio::select! { biased; event = lead => event, event = chase => event }
    } else {
        tokio::select! { biased; event = chase => event, event = lead => event }
    }
}
