//! What is printed, and how: tables and colours for people, JSON for scripts.

use std::future::Future;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::error::CliError;
use crate::doctor::Colours;

/// After how long people are told what is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a word stands out as, on a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Paint {
    /// As it is.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// It may want a look.
    Notable,
    /// It wants somebody.
    Bad,
    /// Less important.
    Faint,
    /// A heading.
    Strong,
}

impl Paint {
    fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::Plain => return None,
            Self::Good => "32",
            Self::Notable => "33",
            Self::Bad => "31",
            Self::Faint => "2",
            Self::Strong => "1",
        })
    }
}

/// Whether people or a script read the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Text,
    Json,
}

/// Standard input, output and error, and what is known of who is at them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    form: Form,
    has_colors: bool,
    is_interactive: bool,
    tells_progress: bool,
    width: Option<usize>,
}

impl Console {
    pub(crate) fn new(form: Form) -> Self {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
        let width = size.map(|size| usize::from(size.ws_col));
        Self {
            form,
            has_colors: out && !no_color && !is_dumb && form == Form::Text,
            is_interactive: io::stdin().is_terminal() && err,
            tells_progress: err,
            width: width.filter(|width| out && *width > 0),
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    /// How wide the terminal is that the output goes to; `None` if it goes elsewhere, where nothing is cut short.
    pub(crate) fn width(&self) -> Option<usize> {
        self.width
    }

    /// Colours text that goes to the output, if it goes to a terminal.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        match paint.code().filter(|_| self.has_colors) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

    /// Whether what goes to the output may have colours.
    pub(crate) fn colours(&self) -> Colours {
        match self.has_colors {
            true => Colours::Shown,
            false => Colours::None,
        }
    }

    /// Prints a text, with an end of line if it has none.
    ///
    /// # Errors
    /// `Unread` if nobody reads it any more.
    pub(crate) fn print(&self, text: &str) -> Result<(), CliError> {
        let end = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let mut out = io::stdout().lock();
        let written = write!(out, "{text}{end}").and_then(|()| out.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::unread(),
            _ => CliError::failed(format!("cannot write the output: {error}")),
        })
    }

    /// Empties a terminal's screen; elsewhere, leaves a line free.
    pub(crate) fn next_page(&self) -> Result<(), CliError> {
        self.print(if self.width.is_some() {
            "\x1b[H\x1b[2J\x1b[3J\n"
        } else {
            "\n"
        })
    }

    /// Tells people something beside the output.
    pub(crate) fn tell(&self, text: &str) {
        // Nobody there to be told is no failure.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Asks people at a terminal whether to go on; a script has decided.
    ///
    /// # Errors
    /// `Failed` if the answer cannot be read.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if !self.is_interactive {
            return Ok(true);
        }
        let mut err = io::stderr();
        let _ = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        read.map_err(|error| CliError::failed(format!("cannot read the answer: {error}")))?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
    }

    /// Waits for something, and tells people at a terminal if it takes longer than they expect.
    pub(crate) async fn wait<T>(&self, what: &str, waited_for: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let mut waited_for = std::pin::pin!(waited_for);
        let mut next = begun + PATIENCE;
        let mut has_told = false;
        let found = loop {
            // What is waited for comes first: it may be there already.
            tokio::select! {
                biased;
                found = &mut waited_for => break found,
                () = sleep_until(next), if self.tells_progress => {
                    let seconds = begun.elapsed().as_secs();
                    let _ = write!(io::stderr(), "\r\x1b[K{what}: {seconds} s so far");
                    has_told = true;
                    next += Duration::from_secs(1);
                }
            }
        };
        if has_told {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        found
    }
}

/// Shows text of others without what could steer a terminal: control characters as their escapes.
pub(crate) fn plain(text: &str) -> String {
    // Turns the order of what stands after it round.
    let is_bidi = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' | '\r' => shown.push(' '),
            steering if steering.is_control() || is_bidi(steering) => shown.extend(steering.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_steer_a_terminal() {
        assert_eq!(plain("a\x1b[2Jb\nc\u{9b}d"), "a\\u{1b}[2Jb c\\u{9b}d");
        assert_eq!(plain("überall 漢字"), "überall 漢字");
    }
}
