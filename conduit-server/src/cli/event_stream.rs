//! Reads server-sent events from the bytes that arrive.

/// The largest event that is taken: a record has at most 16 MiB, twice over with its old image, and grows as JSON.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Event {
    /// Its type; `message` if it has none.
    pub(crate) kind: String,
    pub(crate) data: String,
}

/// An event was larger than any can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TooLarge;

/// What of a stream has arrived and is no whole event yet.
///
/// Lines end with LF, CR LF or CR, wherever the bytes are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventStream {
    line: Vec<u8>,
    /// A CR ended the last line, so that a LF belongs to it.
    after_cr: bool,
    kind: String,
    data: String,
    has_data: bool,
    is_begun: bool,
}

impl EventStream {
    /// Takes bytes, and returns the events that they make whole.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let was_after_cr = std::mem::take(&mut self.after_cr);
            match byte {
                b'\n' if was_after_cr => {}
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line());
                }
                other => self.line.push(other),
            }
            if self.line.len() + self.data.len() > MAX_BYTES {
                return Err(TooLarge);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let line = match is_first {
            true => line.trim_start_matches('\u{feff}'),
            false => &line,
        };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            // Comments keep the connection alive; ids and times to retry are not used.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
        let kind = if kind.is_empty() {
            "message".to_owned()
        } else {
            kind
        };
        std::mem::take(&mut self.has_data).then_some(Event { kind, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, data: &str) -> Event {
        Event {
            kind: kind.to_owned(),
            data: data.to_owned(),
        }
    }

    const STREAM: &str = "\u{feff}event: open\ndata: {\"collection_name\": \"ü\"}\n\n: \n\nevent: record\r\ndata: 1\r\n\
        data:2\r\n\r\nid: 7\rdata\r\revent: lost\n\ndata: last\n\nevent: record\ndata: never ended";

    fn wanted() -> Vec<Event> {
        vec![
            event("open", "{\"collection_name\": \"ü\"}"),
            event("record", "1\n2"),
            event("message", ""),
            event("message", "last"),
        ]
    }

    #[test]
    fn events_are_the_same_wherever_the_bytes_are_cut() {
        let bytes = STREAM.as_bytes();
        assert_eq!(EventStream::default().push(bytes).unwrap(), wanted());
        for cut in 0..=bytes.len() {
            let mut stream = EventStream::default();
            let mut events = stream.push(&bytes[..cut]).unwrap();
            events.extend(stream.push(&bytes[cut..]).unwrap());
            assert_eq!(events, wanted(), "cut at {cut}");
        }
        let mut stream = EventStream::default();
        let each = bytes.iter().flat_map(|byte| stream.push(&[*byte]).unwrap());
        assert_eq!(each.collect::<Vec<_>>(), wanted());
    }
}
