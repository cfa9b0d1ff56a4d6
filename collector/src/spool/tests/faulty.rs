//! The spool on a disk that fails, is slow or is full: nobody is answered in vain, and nothing is lost.

use super::*;
use disk::Segment;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A disk that does what the test says, with the real one behind it.
#[derive(Clone, Default)]
struct Unsteady(Arc<Tricks>);

#[derive(Default)]
struct Tricks {
    creates: AtomicUsize,
    syncs: AtomicUsize,
    /// So many of the next calls fail.
    failing_creates: AtomicUsize,
    failing_appends: AtomicUsize,
    failing_syncs: AtomicUsize,
    /// Held by a test that wants syncs to wait.
    gate: Mutex<()>,
}

struct UnsteadySegment(Box<dyn Segment>, Arc<Tricks>);

fn trick(failing: &AtomicUsize) -> io::Result<()> {
    let left = failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    match left {
        Ok(_) => Err(io::ErrorKind::StorageFull.into()),
        Err(_) => Ok(()),
    }
}

impl Disk for Unsteady {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn Segment>> {
        self.0.creates.fetch_add(1, Ordering::SeqCst);
        trick(&self.0.failing_creates)?;
        let real = FileSystem.create(path)?;
        Ok(Box::new(UnsteadySegment(real, Arc::clone(&self.0))))
    }
}

impl Segment for UnsteadySegment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = trick(&self.1.failing_appends) {
            self.0.append(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let _open = self.1.gate.lock().unwrap();
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        trick(&self.1.failing_syncs)?;
        self.0.sync()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.cut(len)
    }
}

fn unsteady(folder: &Path) -> (Spool, Arc<Tricks>) {
    let disk = Unsteady::default();
    let spool = Spool::open_on(Box::new(disk.clone()), &settings(folder, 64 * MIB)).unwrap();
    (spool, disk.0)
}

#[tokio::test]
async fn a_segment_that_failed_is_left_and_what_was_pending_is_written_anew() {
    let tricks: [fn(&Tricks) -> &AtomicUsize; 2] = [|t| &t.failing_syncs, |t| &t.failing_appends];
    for fails in tricks {
        let place = tempfile::tempdir().unwrap();
        let (spool, tricks) = unsteady(place.path());
        append(&spool, 0..3).await.unwrap();
        fails(&tricks).store(1, Ordering::SeqCst);
        append(&spool, 3..5).await.unwrap();
        append(&spool, 5..6).await.unwrap();
        assert_eq!(tricks.creates.load(Ordering::SeqCst), 2);
        assert_eq!(files(place.path(), ".log").len(), 2);
        crash(spool);
        let spool = open(place.path());
        assert_eq!(drain(&spool).await, [0, 1, 2, 3, 4, 5], "each once");
        housekeeping(&spool, || files(place.path(), ".log").is_empty()).await;
        assert!(files(place.path(), ".damaged").is_empty());
    }
}

#[tokio::test]
async fn a_disk_that_fails_twice_refuses_and_is_tried_again_by_itself() {
    let place = tempfile::tempdir().unwrap();
    let (spool, tricks) = unsteady(place.path());
    append(&spool, 0..1).await.unwrap();
    tricks.failing_syncs.store(2, Ordering::SeqCst);
    tricks.failing_creates.store(1, Ordering::SeqCst);
    let refused = append(&spool, 1..2).await.unwrap_err();
    assert_eq!(refused.code(), "disk");
    assert!(spool.state().problem.unwrap().contains("disk fails"));
    let before = tricks.creates.load(Ordering::SeqCst);
    for _ in 0..50 {
        assert_eq!(append(&spool, 1..2).await.unwrap_err().code(), "disk");
    }
    let tried = tricks.creates.load(Ordering::SeqCst) - before;
    assert!(tried < 5, "{tried} tries for 50 requests");
    tricks.failing_syncs.store(0, Ordering::SeqCst);
    housekeeping(&spool, || spool.state().problem.is_none()).await;
    append(&spool, 2..3).await.unwrap();
    assert_eq!(drain(&spool).await, [0, 2]);
    assert_eq!(spool.state().waiting_events, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_slow_disk_holds_up_is_bounded_and_the_rest_is_refused_soon() {
    let place = tempfile::tempdir().unwrap();
    let disk = Unsteady::default();
    let spool = Spool::open_on(Box::new(disk.clone()), &settings(place.path(), 1 << 30));
    let spool = Arc::new(spool.unwrap());
    let gate = disk.0.gate.lock().unwrap();
    // One record many times is as many bytes as many records.
    let large = Record {
        message: Arc::new(Message::new(
            Uuid::nil(),
            "click",
            "Ann",
            format!("{{{}}}", "x".repeat(200_000)),
        )),
        ..record(0)
    };
    let append = || {
        let (spool, large) = (Arc::clone(&spool), large.clone());
        async move { spool.append(&[&large; 40]).await }
    };
    let size = 40 * (frame::HEAD + large.size());
    let started = Instant::now();
    let asked: Vec<_> = (0..12).map(|_| tokio::spawn(append())).collect();
    while spool.room.available_permits() >= size {
        assert!(started.elapsed() < ANSWER_WITHIN);
        std::thread::yield_now();
    }
    let one_more = tokio::spawn(append());
    while !one_more.is_finished() {
        assert!(started.elapsed() < ANSWER_WITHIN, "it waits for the disk");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Nothing but what is in memory is promised room on the disk.
    let percent = spool.shared.book().percent_full();
    assert!(percent <= 7, "{percent} % of 1 GiB");
    drop(gate);
    assert_eq!(one_more.await.unwrap(), Err(Refused::Silent));
    let mut kept = 0;
    for one in asked {
        kept += u32::from(one.await.unwrap().is_ok());
    }
    assert_eq!(kept, 8, "of 8 MB each");
    assert!(append().await.is_ok(), "it takes again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_before_the_sync_and_all_who_wait_share_one() {
    let place = tempfile::tempdir().unwrap();
    let (spool, tricks) = unsteady(place.path());
    let spool = Arc::new(spool);
    let gate = tricks.gate.lock().unwrap();
    let visitors: Vec<_> = (0..100)
        .map(|n| {
            let spool = Arc::clone(&spool);
            tokio::spawn(async move { append(&spool, n..n + 1).await })
        })
        .collect();
    // All have asked when all have their promise and their memory.
    let room = (0..100)
        .map(|n| frame::HEAD + record(n).size())
        .sum::<usize>();
    let started = Instant::now();
    while PENDING_BYTES - spool.room.available_permits() < room {
        assert!(started.elapsed() < Duration::from_secs(2));
        std::thread::yield_now();
    }
    assert!(visitors.iter().all(|visitor| !visitor.is_finished()));
    assert_eq!(
        spool.state().waiting_events,
        0,
        "nothing is drained before the sync"
    );
    drop(gate);
    for visitor in visitors {
        visitor.await.unwrap().unwrap();
    }
    let syncs = tricks.syncs.load(Ordering::SeqCst);
    assert!(syncs <= 20, "{syncs} syncs for 100 visitors");
    assert_eq!(spool.room.available_permits(), PENDING_BYTES);
    assert_eq!(drain(&spool).await.len(), 100);
}

#[tokio::test]
async fn a_full_disk_refuses_until_there_is_space() {
    let place = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(place.path())
        .output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("SKIPPED: only root may mount the small disk that this test fills");
        return;
    }
    let spool = open(place.path());
    let mut taken = 0;
    let refused = loop {
        match append(&spool, taken..taken + 100).await {
            Ok(()) => taken += 100,
            Err(refused) => break refused,
        }
    };
    assert!(taken >= 1000, "{taken}");
    assert!(refused.to_string().contains("No space left"), "{refused}");
    let drained = drain(&spool).await;
    housekeeping(&spool, || spool.state().problem.is_none()).await;
    append(&spool, taken..taken + 100).await.unwrap();
    assert_eq!(drained, (0..taken).collect::<Vec<_>>());
    assert_eq!(drain(&spool).await.len(), 100);
    crash(spool);
    let unmounted = std::process::Command::new("umount")
        .arg(place.path())
        .output();
    assert!(unmounted.unwrap().status.success());
}
