//! A server that does as a test tells it, byte by byte.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

pub(super) struct Stub(TcpListener);

/// One connection, whose request was read.
pub(super) struct Asked {
    /// Such as `GET /api/collections HTTP/1.1`.
    pub(super) line: String,
    stream: TcpStream,
}

impl Stub {
    pub(super) async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Waits for the next request, which has no body.
    pub(super) async fn asked(&self) -> Asked {
        let (stream, _) = self.0.accept().await.unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let mut header = String::new();
        while header != "\r\n" {
            header.clear();
            reader.read_line(&mut header).await.unwrap();
        }
        Asked {
            line: line.trim_end().to_owned(),
            stream: reader.into_inner(),
        }
    }
}

impl Asked {
    /// Writes a part of the answer.
    pub(super) async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Begins an answer that goes on until the connection ends.
    pub(super) async fn begin_events(&mut self) {
        self.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            .await;
    }

    /// Answers with JSON, and ends the connection.
    pub(super) async fn answer(mut self, status: u16, json: &str) {
        let length = json.len();
        self.write(&format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{json}"
        ))
        .await;
    }
}
