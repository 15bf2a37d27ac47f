//! How far back the oplog reaches.

use std::time::Duration;

use bson::{Document, doc};
use conduit_core::{WallTime, Watcher};
use conduit_mongo::{OplogAnswer, OplogWindow};
use conduit_testkit::servers::{MongoServer, Topology};
use tokio::time::Instant;

use crate::scene::{PATIENCE, Scene};

async fn window(scene: &Scene) -> OplogWindow {
    match OplogWindow::read(&scene.database).await.unwrap() {
        OplogAnswer::Window(window) => window,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_window_shrinks_as_the_oplog_fills_and_what_is_overwritten_has_nothing_left() {
    let server = MongoServer::start_as(Topology::SmallOplog).await;
    let scene = Scene::at(&server.uri()).await;
    let position = scene.watcher.now().await.unwrap().wall_time();
    let first = window(&scene).await;
    // Hardly anything is in it: at this rate it holds far more time than has passed.
    assert!(first.length() > Duration::from_secs(60), "{first:?}");
    assert!(first.left(position) > Duration::from_secs(60), "{first:?}");
    assert!(first.age(position) < PATIENCE, "{first:?}");
    assert_eq!(first.left(WallTime::from_millis(1000)), Duration::ZERO);
    let pad = "x".repeat(1 << 20);
    let deadline = Instant::now() + PATIENCE;
    let mut last = first;
    while last.left(position) > Duration::ZERO {
        assert!(Instant::now() < deadline, "{last:?}");
        let document = doc! { "pad": &pad };
        scene.collection("other").insert_one(document).await.unwrap();
        last = window(&scene).await;
    }
    assert!(last.length() < first.length(), "{last:?} after {first:?}");
}

#[tokio::test]
async fn who_may_not_read_the_oplog_is_told_so_and_without_its_size_it_counts_as_full() {
    let server = MongoServer::start().await;
    let scene = Scene::at(&server.uri()).await;
    let known = window(&scene).await;
    refuse(&scene, &["aggregate"]).await;
    let full = window(&scene).await;
    assert!(full.length() < known.length(), "{full:?} {known:?}");
    refuse(&scene, &["find"]).await;
    let answer = OplogWindow::read(&scene.database).await.unwrap();
    assert_eq!(answer, OplogAnswer::NotAllowed);
}

#[tokio::test]
async fn a_standalone_server_has_no_oplog() {
    let server = MongoServer::start_as(Topology::Standalone).await;
    let scene = Scene::at(&server.uri()).await;
    let answer = OplogWindow::read(&scene.database).await.unwrap();
    assert_eq!(answer, OplogAnswer::None);
}

/// Makes the server answer these commands as it does to users without the right.
async fn refuse(scene: &Scene, commands: &[&str]) {
    let admin = scene.database.client().database("admin");
    let fault: Document = doc! {
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": { "errorCode": 13, "failCommands": commands },
    };
    admin.run_command(fault).await.unwrap();
}
