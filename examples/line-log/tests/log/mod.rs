//! A line log to test against, which behaves as it is told.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conduit_testkit::sink_suite::Behaviour;
use line_log::LineLogSink;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub const TOKEN: &str = "hunter2";
const LONGEST_LINE: usize = 256 * 1024;

/// The log: its lines, and how it behaves.
#[derive(Clone)]
pub struct Log {
    pub lines: watch::Sender<Vec<String>>,
    pub behaviour: Arc<Mutex<Behaviour>>,
}

impl Log {
    /// Starts an empty log, and makes a sink for it.
    pub async fn start() -> (Self, LineLogSink) {
        let (lines, behaviour) = (watch::Sender::default(), Arc::new(Mutex::new(Behaviour::Well)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = LineLogSink {
            address: listener.local_addr().unwrap().to_string(),
            token: TOKEN.to_owned(),
            timeout: Duration::from_secs(1),
        };
        let log = Self { lines, behaviour };
        tokio::spawn(log.clone().serve(listener));
        (log, sink)
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(self.clone().talk(BufStream::new(stream)));
        }
    }

    /// Answers line by line; the end closes the connection.
    async fn talk(self, mut stream: BufStream<TcpStream>) -> io::Result<()> {
        let mut is_known = false;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            // What has no end was cut off: it is no record.
            let Some(line) = line.strip_suffix('\n') else {
                return Ok(());
            };
            let answer = if is_known {
                self.take(line).await
            } else {
                self.greet(line)
            };
            is_known = is_known || answer.as_deref() == Some("OK");
            let Some(answer) = answer else {
                return Ok(());
            };
            stream.write_all(format!("{answer}\n").as_bytes()).await?;
            stream.flush().await?;
        }
    }

    fn greet(&self, line: &str) -> Option<String> {
        let is_right = line.strip_prefix("AUTH ") == Some(TOKEN);
        match *self.behaviour.lock().unwrap() {
            Behaviour::Down => None,
            Behaviour::RefuseCredentials => Some("DENIED".to_owned()),
            _ => Some(if is_right { "OK" } else { "DENIED" }.to_owned()),
        }
    }

    /// The answer to a record, or none.
    async fn take(&self, line: &str) -> Option<String> {
        let behaviour = self.behaviour.lock().unwrap().clone();
        match behaviour {
            _ if line.len() > LONGEST_LINE => return Some("TOO-LARGE".to_owned()),
            Behaviour::Refuse(id) if line.contains(&format!("\"eventID\":\"{id}\"")) => {
                return Some("REFUSED".to_owned());
            }
            Behaviour::Throttle(wait) => return Some(format!("WAIT {}", wait.as_secs())),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Slow(wait) => tokio::time::sleep(wait).await,
            _ => {}
        }
        self.lines.send_modify(|lines| lines.push(line.to_owned()));
        (behaviour != Behaviour::LoseAnswers).then(|| "OK".to_owned())
    }
}
