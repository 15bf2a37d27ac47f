//! Asks the server of this machine or container whether it lives, where there is no curl to ask with.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::environment::{read_host, read_port};

/// How long connecting, asking, and each part of the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the head of an answer to `/health` never exceeds.
const MAX_HEAD: u64 = 256;

/// Asks for `/health` where the environment says that a server listens: at `PORT`, and if nobody is there, at
/// `WORKER_PORT`, so that one command serves a container of either kind.
///
/// Liveness and not readiness: a container is not to be restarted because its database is.
///
/// # Errors
/// What was tried and what went wrong, in one line.
pub(crate) fn ask() -> Result<(), String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    // Who may listen there was decided when the server started.
    let host = read_host(variable("HOST"), false, true)?;
    let port = read_port("PORT", variable("PORT"), 8080)?;
    let worker_port = read_port("WORKER_PORT", variable("WORKER_PORT"), 8081)?;
    ask_any(reachable(host), &[port, worker_port])
}

/// The address at which this machine reaches what listens on `host`.
fn reachable(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

fn ask_any(host: IpAddr, ports: &[u16]) -> Result<(), String> {
    let mut failures = Vec::new();
    for port in ports {
        let address = SocketAddr::new(host, *port);
        match status_line(address) {
            Ok(line) if line.split(' ').nth(1) == Some("200") => return Ok(()),
            Ok(line) => failures.push(format!("{address} answers {line:?}")),
            Err(error) => failures.push(format!("{address}: {error}")),
        }
    }
    Err(format!("unhealthy: {}", failures.join("; ")))
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: a server may answer and close before it has read what follows.
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    stream.take(MAX_HEAD).read_to_end(&mut head)?;
    let text = String::from_utf8_lossy(&head);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// Answers one request with `answer`, and gives back what was asked.
    fn server(answer: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind((HERE, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (port, serving)
    }

    /// A port at which nobody listens.
    fn nobody() -> u16 {
        TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn a_server_that_answers_is_healthy_at_either_port() {
        for worker_alone in [false, true] {
            let (port, serving) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
            let ports = if worker_alone {
                [nobody(), port]
            } else {
                [port, nobody()]
            };
            assert_eq!(ask_any(HERE, &ports), Ok(()));
            assert!(serving.join().unwrap().starts_with("GET /health HTTP/1.1\r\n"));
        }
    }

    #[test]
    fn one_that_fails_or_is_not_there_is_not_and_the_line_says_why() {
        let (port, serving) = server("HTTP/1.1 500 Internal Server Error\r\n\r\n");
        let absent = nobody();
        let error = ask_any(HERE, &[port, absent]).unwrap_err();
        serving.join().unwrap();
        assert!(error.contains("500 Internal Server Error"), "{error}");
        assert!(error.contains(&format!("127.0.0.1:{absent}")), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn a_server_on_every_address_is_asked_by_loopback() {
        for (host, asked) in [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.1.2.3", "10.1.2.3")] {
            assert_eq!(reachable(host.parse().unwrap()), asked.parse::<IpAddr>().unwrap());
        }
    }
}
