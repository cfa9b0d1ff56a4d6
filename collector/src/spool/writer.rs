//! One thread writes for all: whatever waits when it looks becomes one write and one sync, and nobody is
//! answered before that. So a hundred visitors cost the disk no more than one.

use super::book::{Counts, Refused};
use super::pen::Pen;
use super::{Promise, Shared};
use service::outage::Complaint;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// The most bytes of one write; what is above waits for the next.
const WRITE_BYTES: usize = 4 << 20;

/// How often a disk that has failed is tried.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What the thread is asked to do.
pub(super) enum Work {
    /// Keep these events.
    Append(Append),
    /// Close this segment when nothing comes any more: all of it is in Kafka.
    Seal(u64),
    /// End, when all that was asked before is done.
    Stop,
}

/// Events of one request.
pub(super) struct Append {
    pub frames: Vec<u8>,
    pub counts: Counts,
    pub answer: oneshot::Sender<Result<(), Refused>>,
    /// Their share of the spool and of the memory, given back before the answer.
    pub share: (Promise, OwnedSemaphorePermit),
}

/// Works until nobody can ask any more.
pub(super) fn run(shared: &Arc<Shared>, mut pen: Pen, works: &Receiver<Work>) {
    let disk = Complaint::new("the spool's disk");
    let mut frames = Vec::new();
    loop {
        let failing = shared.book().write_problem.is_some();
        let work = if failing {
            match works.recv_timeout(TRY_AGAIN) {
                Err(RecvTimeoutError::Timeout) => {
                    if pen.can_begin().is_ok() {
                        disk.over();
                        shared.book().write_problem = None;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(work) => work,
            }
        } else {
            match works.recv() {
                Ok(work) => work,
                Err(_) => return,
            }
        };
        match work {
            Work::Append(first) => {
                let (group, then) = gather(first, works);
                let done = keep(shared, &mut pen, &mut frames, &group);
                match &done {
                    Ok(()) => disk.over(),
                    Err(refused) => disk.failing(refused),
                };
                shared.changed.notify_one();
                answer(group, &done);
                match then {
                    Some(Work::Stop) => return,
                    Some(Work::Seal(number)) => shared.seal(&mut pen, number),
                    Some(Work::Append(_)) | None => {}
                }
            }
            Work::Seal(number) => shared.seal(&mut pen, number),
            Work::Stop => return,
        }
    }
}

/// The first append and all that wait behind it, as far as one write goes; and what is to be done then,
/// when that was something else.
fn gather(first: Append, works: &Receiver<Work>) -> (Vec<Append>, Option<Work>) {
    let mut bytes = first.frames.len();
    let mut group = vec![first];
    while bytes < WRITE_BYTES {
        match works.try_recv() {
            Ok(Work::Append(append)) => {
                bytes += append.frames.len();
                group.push(append);
            }
            Ok(other) => return (group, Some(other)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    (group, None)
}

/// Writes a group and enters it into the book.
fn keep(
    shared: &Shared,
    pen: &mut Pen,
    frames: &mut Vec<u8>,
    group: &[Append],
) -> Result<(), Refused> {
    // Those who had asked before the disk failed hear the same as those who ask now.
    if let Some(problem) = shared.book().write_problem.clone() {
        return Err(problem);
    }
    frames.clear();
    frames.shrink_to(WRITE_BYTES);
    let mut counts = Counts::default();
    for append in group {
        frames.extend_from_slice(&append.frames);
        counts.merge(&append.counts);
    }
    let written = pen.write(frames);
    let mut book = shared.book();
    match written {
        Ok(written) => {
            book.wrote(written.number, written.len, &counts);
            // Before anyone can bring them on.
            shared.count(|counters| counters.spooled(counts.clicks));
            Ok(())
        }
        Err(refused) => {
            book.sealed();
            book.write_problem = Some(refused.clone());
            Err(refused)
        }
    }
}

/// Tells everyone of a group, who have their memory back by then.
fn answer(group: Vec<Append>, done: &Result<(), Refused>) {
    for append in group {
        drop(append.share);
        // An error means that the caller has gone; the events stay.
        let _ = append.answer.send(done.clone());
    }
}
