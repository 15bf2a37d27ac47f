//! Writes whole lines to something that may fail in the middle of one.

use std::io::{self, Write};

/// Remembers whether a write broke off in the middle of a line, so that the next one begins a new line.
#[derive(Debug, Default)]
pub(super) struct LineOutput {
    is_torn: bool,
}

impl LineOutput {
    /// Writes `lines`, which end with a line feed, and flushes them.
    pub(super) fn write(&mut self, output: &mut impl Write, lines: &[u8]) -> io::Result<()> {
        if self.is_torn {
            output.write_all(b"\n")?;
            self.is_torn = false;
        }
        let mut written = 0;
        let result = loop {
            match output.write(&lines[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) => break Err(error),
            }
            if written == lines.len() {
                break output.flush();
            }
        };
        self.is_torn = written > 0 && lines.get(written - 1) != Some(&b'\n');
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, a few at a time, and then fails until it is given room again.
    struct Narrow {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room).min(3);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_broke_off_is_ended_before_the_next_one() {
        for room in 0..12 {
            let mut output = LineOutput::default();
            let mut narrow = Narrow {
                taken: Vec::new(),
                room,
            };
            assert!(output.write(&mut narrow, b"{\"a\":1}\n{\"b\":2}\n").is_err());
            narrow.room = 1000;
            output.write(&mut narrow, b"{\"c\":3}\n").unwrap();
            let text = String::from_utf8(narrow.taken).unwrap();
            let last = text.strip_suffix("{\"c\":3}\n").unwrap();
            assert!(last.is_empty() || last.ends_with('\n'), "{room}: {text}");
            assert!(!text.contains("\n\n"), "{room}: {text}");
        }
    }
}
