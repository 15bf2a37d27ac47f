//! The conformance suite of sinks.

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use conduit_core::Sink;
use conduit_sinks::file::{FileConfig, FileSink};
use conduit_testkit::sink_suite::{Behaviour, SinkHarness};
use tempfile::TempDir;

struct Harness;

struct Disk {
    directory: TempDir,
    /// The file, as long as somebody else has it locked.
    locked: Mutex<Option<File>>,
}

impl Disk {
    fn base(&self) -> PathBuf {
        self.directory.path().join("base")
    }

    fn away(&self) -> PathBuf {
        self.directory.path().join("away")
    }

    fn file(&self) -> PathBuf {
        self.base().join("in/changes.ndjson")
    }

    fn kept(&self) -> PathBuf {
        self.base().join("in/kept")
    }

    fn lock(&self) -> File {
        fs::create_dir_all(self.base().join("in")).unwrap();
        let file = File::options()
            .append(true)
            .create(true)
            .open(self.file())
            .unwrap();
        file.lock().unwrap();
        file
    }

    fn mend(&self) {
        if self.away().exists() {
            fs::rename(self.away(), self.base()).unwrap();
        }
        if self.file().is_dir() {
            fs::remove_dir(self.file()).unwrap();
        }
        if self.kept().exists() {
            fs::rename(self.kept(), self.file()).unwrap();
        }
        drop(self.locked.lock().unwrap().take());
    }
}

#[async_trait]
impl SinkHarness for Harness {
    type Guard = Disk;

    async fn create(&self) -> (Disk, Arc<dyn Sink>) {
        let disk = Disk {
            directory: TempDir::new().unwrap(),
            locked: Mutex::default(),
        };
        fs::create_dir(disk.base()).unwrap();
        let config = FileConfig::new("in/changes.ndjson").with_timeout(Duration::from_secs(3));
        let sink = FileSink::new(config, disk.base()).unwrap();
        (disk, Arc::new(sink))
    }

    async fn arrived(&self, disk: &Disk) -> Vec<Vec<u8>> {
        let base = if disk.base().exists() {
            disk.base()
        } else {
            disk.away()
        };
        let paths = ["in/changes.ndjson", "in/kept"].map(|path| base.join(path));
        let texts = paths.into_iter().filter_map(|path| fs::read_to_string(path).ok());
        texts
            .flat_map(|text| {
                let lines = text.split_inclusive('\n');
                let whole = lines.filter_map(|line| line.strip_suffix('\n'));
                whole.map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>()
            })
            .collect()
    }

    async fn behave(&self, disk: &Disk, behaviour: &Behaviour) -> Result<(), &'static str> {
        disk.mend();
        match behaviour {
            Behaviour::Well => (),
            Behaviour::Down => fs::rename(disk.base(), disk.away()).unwrap(),
            Behaviour::RefuseCredentials => {
                drop(disk.lock());
                fs::rename(disk.file(), disk.kept()).unwrap();
                fs::create_dir(disk.file()).unwrap();
            }
            Behaviour::Hang => *disk.locked.lock().unwrap() = Some(disk.lock()),
            Behaviour::Slow(wait) => {
                let (file, wait) = (disk.lock(), *wait);
                thread::spawn(move || {
                    thread::sleep(wait);
                    drop(file);
                });
            }
            Behaviour::Refuse(_) => return Err("a file takes every record"),
            Behaviour::Throttle(_) => return Err("a file asks nobody to wait"),
            _ => return Err("a file has no answer that could be lost"),
        }
        Ok(())
    }
}

conduit_testkit::sink_suite!(Harness);
