//! How a destination misbehaves.

use std::fmt;
use std::time::Duration;

use conduit_testkit::receiver::Answer;
use fastrand::Rng;

/// How long a destination's request may take before the server gives it up.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest that a slow answer takes; well within the time-out.
const SLOWEST_ANSWER: Duration = Duration::from_millis(1_200);

/// What a destination does with some of its requests, in percent, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mood {
    /// Answers with a status that is an error.
    Refuses { status: u16, percent: u8 },
    /// Answers 429.
    Throttles { percent: u8 },
    /// Never answers; it may have noted the record.
    Hangs { percent: u8, notes: bool },
    /// Resets the connection; it may have noted the record.
    Resets { percent: u8, notes: bool },
    /// Answers 200, late, at a moment of that stretch.
    IsSlow { from: Duration, to: Duration },
    /// Answers 200 and never sends the body that it announced.
    BreaksOff { percent: u8 },
}

/// What becomes of one request.
#[derive(Clone, Debug)]
pub(crate) struct Reaction {
    pub(crate) answer: Answer,
    pub(crate) fate: Fate,
    /// How long after the request the answer is sent.
    pub(crate) delay: Duration,
}

/// What a request meant to the destination, and to the one that sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Noted, and said so.
    Acknowledged,
    /// Noted, but the answer was withheld.
    AnswerLost,
    /// Not noted.
    Refused,
}

impl Reaction {
    /// What a destination does that is well.
    pub(crate) fn well() -> Self {
        Self::now(Answer::Status(200), Fate::Acknowledged)
    }

    fn now(answer: Answer, fate: Fate) -> Self {
        let delay = Duration::ZERO;
        Self { answer, fate, delay }
    }

    fn withheld(answer: Answer, notes: bool) -> Self {
        Self::now(answer, if notes { Fate::AnswerLost } else { Fate::Refused })
    }
}

impl Mood {
    /// Draws a mood of the kind, 0 to 6.
    pub(crate) fn draw(kind: u8, rng: &mut Rng) -> Self {
        let percent = if rng.bool() { 100 } else { rng.u8(10..60) };
        match kind {
            0 => Self::Refuses { status: 500, percent },
            1 => Self::Refuses { status: 503, percent },
            2 => Self::Throttles { percent },
            3 => Self::Hangs {
                percent,
                notes: rng.bool(),
            },
            4 => Self::Resets {
                percent,
                notes: rng.bool(),
            },
            5 => Self::IsSlow {
                from: Duration::ZERO,
                to: SLOWEST_ANSWER,
            },
            _ => Self::BreaksOff { percent },
        }
    }

    /// What becomes of a request; `None` if the mood leaves it alone.
    pub(crate) fn react(&self, rng: &mut Rng) -> Option<Reaction> {
        let percent = match self {
            Self::Refuses { percent, .. } | Self::Throttles { percent } | Self::BreaksOff { percent } => {
                *percent
            }
            Self::Hangs { percent, .. } | Self::Resets { percent, .. } => *percent,
            Self::IsSlow { .. } => 100,
        };
        if rng.u8(0..100) >= percent {
            return None;
        }
        Some(match self {
            Self::Refuses { status, .. } => Reaction::now(Answer::Status(*status), Fate::Refused),
            Self::Throttles { .. } => {
                Reaction::now(Answer::with_header(429, "Retry-After", "1"), Fate::Refused)
            }
            Self::Hangs { notes, .. } => Reaction::withheld(Answer::Hang, *notes),
            Self::Resets { notes, .. } => Reaction::withheld(Answer::CloseBeforeAnswer, *notes),
            Self::IsSlow { from, to } => {
                let delay = *from + (*to - *from).mul_f64(rng.f64());
                let answer = Answer::after(delay, Answer::Status(200));
                let fate = Fate::Acknowledged;
                Reaction { answer, fate, delay }
            }
            // The status is the answer, whatever becomes of the body.
            Self::BreaksOff { .. } => Reaction {
                answer: Answer::HeadOnly(100),
                fate: Fate::Acknowledged,
                delay: REQUEST_TIMEOUT / 2,
            },
        })
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = |notes: &bool| if *notes { ", the record noted" } else { "" };
        match self {
            Self::Refuses { status, percent } => write!(f, "{percent} % answered {status}"),
            Self::Throttles { percent } => write!(f, "{percent} % answered 429"),
            Self::Hangs { percent, notes } => write!(f, "{percent} % never answered{}", noted(notes)),
            Self::Resets { percent, notes } => write!(f, "{percent} % reset{}", noted(notes)),
            Self::IsSlow { .. } => write!(f, "slow"),
            Self::BreaksOff { percent } => write!(f, "{percent} % answered without the body"),
        }
    }
}
