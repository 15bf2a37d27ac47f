//! Where files are made, and where not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use conduit_core::{RecordBatch, SinkErrorKind};
use conduit_sinks::file::{FileConfig, FileSink};
use tempfile::TempDir;

use crate::records::{batch, event_ids};
use crate::{FILE, contents, deliver, sink};

#[tokio::test]
async fn missing_directories_and_the_file_are_made_for_owner_and_group() {
    let base = TempDir::new().unwrap();
    let sink = FileSink::new(FileConfig::new("a/b/c.ndjson"), base.path()).unwrap();
    deliver(&sink, batch(1..3)).await.unwrap();
    let mode = |path: &str| base.path().join(path).metadata().unwrap().permissions().mode() & 0o777;
    // Less what the umask takes.
    assert_eq!(mode("a/b/c.ndjson") & !0o640, 0);
    assert_eq!(mode("a/b") & !0o750, 0);
    assert_eq!(mode("a") & !0o750, 0);
    let text = fs::read_to_string(base.path().join("a/b/c.ndjson")).unwrap();
    assert_eq!(event_ids(&text), ["a-1", "a-2"]);
}

#[tokio::test]
async fn a_link_in_place_of_the_file_is_not_followed() {
    let (base, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let target = outside.path().join("target");
    fs::write(&target, "mine\n").unwrap();
    for target in [target.clone(), outside.path().join("missing")] {
        let link = base.path().join(FILE);
        symlink(&target, &link).unwrap();
        let error = deliver(&sink(base.path()), batch([1])).await.unwrap_err();
        assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
        assert_eq!(
            error.report(),
            "changes.ndjson is no regular file, or leads through a symbolic link: it is not written to"
        );
        fs::remove_file(link).unwrap();
    }
    assert_eq!(fs::read_to_string(target).unwrap(), "mine\n");
    assert!(!outside.path().join("missing").exists());
}

#[tokio::test]
async fn a_link_in_place_of_a_directory_is_not_followed() {
    let (base, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    symlink(outside.path(), base.path().join("in")).unwrap();
    let sink = FileSink::new(FileConfig::new("in/changes.ndjson"), base.path()).unwrap();
    let error = deliver(&sink, batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

/// The way was a directory when the file was opened and is a link to somewhere else now.
#[tokio::test]
async fn a_directory_that_becomes_a_link_leads_nowhere_else() {
    let (base, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let sink = FileSink::new(FileConfig::new("in/changes.ndjson"), base.path()).unwrap();
    deliver(&sink, batch([1])).await.unwrap();
    fs::rename(base.path().join("in"), base.path().join("was")).unwrap();
    symlink(outside.path(), base.path().join("in")).unwrap();
    let error = deliver(&sink, batch([2])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_no_regular_file_is_left_alone() {
    let base = TempDir::new().unwrap();
    let path = base.path().join(FILE);
    fs::create_dir(&path).unwrap();
    let error = deliver(&sink(base.path()), batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
    fs::remove_dir(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let error = deliver(&sink(base.path()), batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unauthorized, "{error:?}");
}

#[tokio::test]
async fn a_base_directory_that_is_not_there_is_unavailable_and_is_not_made() {
    let base = TempDir::new().unwrap();
    let missing = base.path().join("missing");
    let sink = sink(&missing);
    let error = deliver(&sink, batch([1])).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable, "{error:?}");
    assert_eq!(
        error.report(),
        "cannot write to changes.ndjson: No such file or directory (os error 2)"
    );
    fs::create_dir(&missing).unwrap();
    deliver(&sink, batch([1])).await.unwrap();
}

#[tokio::test]
async fn nothing_is_written_once_the_right_to_send_has_ended() {
    let base = TempDir::new().unwrap();
    let sink = sink(base.path());
    deliver(&sink, batch([1])).await.unwrap();
    let forbidden = RecordBatch::new(batch([2]).records().to_vec()).with_permission(|| false);
    let error = deliver(&sink, forbidden).await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::NotSent);
    deliver(&sink, batch([3])).await.unwrap();
    assert_eq!(event_ids(&contents(base.path())), ["a-1", "a-3"]);
}

/// As an operator's own rotation does.
#[tokio::test]
async fn a_file_that_was_moved_or_deleted_is_made_anew() {
    let base = TempDir::new().unwrap();
    let (path, moved) = (base.path().join(FILE), base.path().join("moved"));
    let sink = sink(base.path());
    deliver(&sink, batch([1])).await.unwrap();
    fs::rename(&path, &moved).unwrap();
    deliver(&sink, batch([2])).await.unwrap();
    assert_eq!(event_ids(&fs::read_to_string(&moved).unwrap()), ["a-1"]);
    assert_eq!(event_ids(&fs::read_to_string(&path).unwrap()), ["a-2"]);
    let before = path.metadata().unwrap().ino();
    fs::rename(&path, base.path().join("moved again")).unwrap();
    deliver(&sink, batch([3])).await.unwrap();
    assert_ne!(path.metadata().unwrap().ino(), before);
    assert_eq!(event_ids(&fs::read_to_string(&path).unwrap()), ["a-3"]);
    fs::write(&path, "").unwrap();
    deliver(&sink, batch([4])).await.unwrap();
    assert_eq!(event_ids(&fs::read_to_string(&path).unwrap()), ["a-4"]);
}

#[tokio::test]
async fn a_place_is_looked_at_without_making_anything() {
    let (base, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let look = async |path: &str| {
        let sink = FileSink::new(FileConfig::new(path), base.path()).unwrap();
        sink.check_place().await.map_err(|error| error.kind())
    };
    assert_eq!(look("a/b/c.ndjson").await, Ok(()));
    assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
    fs::write(base.path().join("file"), "").unwrap();
    assert_eq!(look("file").await, Ok(()));
    assert_eq!(look("file/in-a-file").await, Err(SinkErrorKind::Unauthorized));
    fs::create_dir(base.path().join("folder")).unwrap();
    assert_eq!(look("folder").await, Err(SinkErrorKind::Unauthorized));
    symlink(outside.path(), base.path().join("link")).unwrap();
    assert_eq!(look("link").await, Err(SinkErrorKind::Unauthorized));
    assert_eq!(look("link/file").await, Err(SinkErrorKind::Unauthorized));
    let nowhere = FileSink::new(FileConfig::new("x"), base.path().join("nowhere")).unwrap();
    let error = nowhere.check_place().await.unwrap_err();
    assert_eq!(error.kind(), SinkErrorKind::Unavailable);
}
