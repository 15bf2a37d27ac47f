use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

use conduit_testkit::receiver::Receiver;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tokio::process::Command;

use super::program::Cli;
use crate::harness::{PATIENCE, World, streaming};

const WIDTH: u16 = 50;

/// Runs it on a terminal of its own, at which somebody has typed this; returns the exit code and what is seen there.
async fn run_on_terminal(mut command: Command, typed: &str) -> (i32, String) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let path = ptsname(&controller, Vec::new()).unwrap();
    let terminal = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path.to_str().unwrap())
            .unwrap()
    };
    let own = terminal();
    let size = Winsize {
        ws_row: 40,
        ws_col: WIDTH,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(own.as_fd(), size).unwrap();
    let mut controller = File::from(controller);
    controller.write_all(typed.as_bytes()).unwrap();
    command
        .stdin(Stdio::from(terminal()))
        .stdout(Stdio::from(terminal()))
        .stderr(Stdio::from(terminal()))
        .env("TERM", "xterm");
    let mut process = command.spawn().unwrap();
    // Nobody else holds the terminal once the process has ended: then reading ends too.
    drop((command, own));
    let reading = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = controller.read(&mut buffer) {
            seen.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8(seen).unwrap()
    });
    let status = tokio::time::timeout(PATIENCE, process.wait())
        .await
        .unwrap()
        .unwrap();
    (status.code().unwrap(), reading.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_colours_within_its_width_and_is_asked() {
    let receiver = Receiver::start().await;
    let world = World::new().await;
    let server = world.start("run").await;
    let mut body = streaming("orders", &receiver);
    body["destinations"] = json!([
        {"id": "a-destination-with-a-long-name", "type": "stdout"},
        {"id": "another-destination-with-a-long-name", "type": "stdout"},
    ]);
    server.api.create(body).await;
    let cli = || Cli::of(&server, world.folder.path());
    let list = ["collections", "list"];
    let (code, seen) = run_on_terminal(cli().command(&list), "").await;
    assert_eq!(code, 0);
    assert!(seen.contains("\x1b[32mon\x1b[0m"), "{seen:?}");
    let plain = seen
        .replace("\x1b[1m", "")
        .replace("\x1b[32m", "")
        .replace("\x1b[0m", "");
    let widest = plain.lines().map(|line| line.chars().count()).max();
    assert!(plain.contains(" a-dest") && plain.contains('…'), "{seen:?}");
    assert!(widest <= Some(usize::from(WIDTH)), "{seen:?}");
    let (_, seen) = run_on_terminal(cli().with("NO_COLOR", "1").command(&list), "").await;
    assert!(!seen.contains('\x1b') && seen.contains('…'), "{seen:?}");

    let delete = ["collections", "delete", "orders"];
    let (code, seen) = run_on_terminal(cli().command(&delete), "\n").await;
    assert_eq!(code, 1);
    assert!(
        seen.contains("ALL ITS DOCUMENTS") && seen.contains("nothing was deleted"),
        "{seen:?}"
    );
    server.api.get("/api/collections/orders").await;
    let (code, seen) = run_on_terminal(cli().command(&delete), "y\n").await;
    assert_eq!(code, 0, "{seen:?}");
    server
        .api
        .expect(404, "GET", "/api/collections/orders", None)
        .await;
    server.kill().await;
}
