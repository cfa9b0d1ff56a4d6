//! A connection to Postgres that breaks, or stands still, at the worst moment: when the client has sent
//! what commits and has not heard the answer.
//!
//! It reads the frontend's messages (Postgres' protocol 3, "Message Formats") just as far as to know
//! where each ends and which one commits; everything passes unchanged until somebody arms it.

use super::program::free_port;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// A statement's parameters of at least so many bytes are a batch of rows; leases and looks need fewer.
const BATCH_BYTES: usize = 600;

/// The most bytes read at once.
const CHUNK: usize = 64 * 1024;

/// At which message something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The end of what commits a batch: Sync after the Execute of a large statement, or `COMMIT`.
    Commit,
    /// In the middle of a batch on its way: inside a large statement's parameters, or after the first
    /// rows of a COPY.
    Middle,
}

/// What happens there.
#[derive(Debug)]
pub enum Manner {
    /// The message reaches Postgres and the connection breaks at once: nobody knows who was faster.
    CutAtOnce,
    /// The connection breaks when Postgres has answered: it is committed, and the client never hears it.
    CutAnswer,
    /// The message never reaches Postgres: it is not committed, and the client cannot know.
    CutBefore,
    /// Told through the first channel, both directions stand still until the second one is used or closed.
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

struct Armed {
    at: At,
    manner: Manner,
    /// Told when it happens.
    done: oneshot::Sender<()>,
}

/// The proxy, on a port of its own.
pub struct Cutter {
    addr: SocketAddr,
    armed: Arc<Mutex<Option<Armed>>>,
    passing: JoinHandle<()>,
}

impl Cutter {
    /// Lets everything through to `server` until it is armed.
    pub async fn before(server: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", free_port()?)).await?;
        let addr = listener.local_addr()?;
        let armed: Arc<Mutex<Option<Armed>>> = Arc::default();
        let ours = Arc::clone(&armed);
        let passing = tokio::spawn(async move {
            // Dropped together with this task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let armed = Arc::clone(&ours);
                connections.spawn(async move {
                    if let Ok(server) = TcpStream::connect(server).await {
                        // An error here is a connection that broke, which is what this is for.
                        let _ = pass(client, server, &armed).await;
                    }
                });
            }
        });
        Ok(Self {
            addr,
            armed,
            passing,
        })
    }

    /// Where programs are told the server is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Does it at the next such message of any connection, once; what is returned then hears of it.
    pub fn arm(&self, at: At, manner: Manner) -> oneshot::Receiver<()> {
        let (done, happened) = oneshot::channel();
        let armed = Armed { at, manner, done };
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(armed);
        happened
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// Takes what is armed for this place.
fn take(armed: &Mutex<Option<Armed>>, at: At) -> Option<Armed> {
    armed
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take_if(|armed| armed.at == at)
}

/// One connection, until it ends or is cut.
async fn pass(
    mut client: TcpStream,
    mut server: TcpStream,
    armed: &Mutex<Option<Armed>>,
) -> std::io::Result<()> {
    let mut frames = Frames::default();
    let mut cut_answer = false;
    let (mut from_client, mut from_server) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let bytes = &from_client[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                let reached = frames.read(bytes);
                let hit = reached.and_then(|(at, end)| Some((take(armed, at)?, end)));
                let Some((Armed { manner, done, .. }, end)) = hit else {
                    server.write_all(bytes).await?;
                    continue;
                };
                let (upto, rest) = bytes.split_at(end);
                if !matches!(manner, Manner::CutBefore) {
                    server.write_all(upto).await?;
                }
                let _ = done.send(());
                match manner {
                    Manner::CutBefore | Manner::CutAtOnce => return Ok(()),
                    Manner::CutAnswer => cut_answer = true,
                    Manner::Hold(held, release) => {
                        let _ = held.send(());
                        let _ = release.await;
                        server.write_all(rest).await?;
                    }
                }
            }
            read = server.read(&mut from_server) => {
                let bytes = &from_server[..read?];
                if bytes.is_empty() || cut_answer {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}

/// The frontend's messages, as far as they have come.
#[derive(Debug, Default)]
struct Frames {
    /// The start-up message, which has no type, is over.
    started: bool,
    /// The head of the message that is being read, and how much of its body is still to come.
    head: Vec<u8>,
    body_left: usize,
    /// The beginning of its body, enough to recognise a statement.
    body: Vec<u8>,
    /// The batch that is not yet committed.
    batch: Option<Batch>,
    /// The middle of this batch was told.
    told: bool,
}

/// How a batch travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batch {
    /// As one statement's parameters; its Sync commits.
    Statement,
    /// By COPY inside a transaction, which ends with `COMMIT`.
    Copy,
}

impl Frames {
    /// Reads on; says which place the bytes reach, if any, and after how many of them.
    ///
    /// Of several places in one piece the last counts: a small batch comes whole.
    fn read(&mut self, bytes: &[u8]) -> Option<(At, usize)> {
        let mut at = 0;
        let mut found = None;
        while at < bytes.len() {
            if self.body_left == 0 {
                self.head.push(bytes[at]);
                at += 1;
                if !self.head_is_whole() {
                    continue;
                }
            } else {
                let part = self.body_left.min(bytes.len() - at);
                let wanted = 64_usize.saturating_sub(self.body.len()).min(part);
                self.body.extend_from_slice(&bytes[at..at + wanted]);
                self.body_left -= part;
                at += part;
            }
            if self.body_left == 0 {
                if self.ended() {
                    found = Some((At::Commit, at));
                }
                if self.kind() == Some(b'd') && !self.told {
                    (self.batch, self.told) = (Some(Batch::Copy), true);
                    found = Some((At::Middle, at));
                }
                self.started |= self.is_start_up();
                self.head.clear();
                self.body.clear();
            } else if self.batch.is_some() && !self.told && self.kind() == Some(b'B') {
                self.told = true;
                found = Some((At::Middle, at));
            }
        }
        found
    }

    /// Whether the length is known; sets what is left of the body.
    fn head_is_whole(&mut self) -> bool {
        let type_bytes = usize::from(self.started);
        let Some(length) = self
            .head
            .get(type_bytes..)
            .and_then(|rest| <[u8; 4]>::try_from(rest).ok())
        else {
            return false;
        };
        // The length counts itself.
        self.body_left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
        if self.kind() == Some(b'B') && self.body_left >= BATCH_BYTES {
            (self.batch, self.told) = (Some(Batch::Statement), false);
        }
        true
    }

    /// The message's type; none during start-up.
    fn kind(&self) -> Option<u8> {
        self.started.then(|| self.head.first().copied()).flatten()
    }

    /// Whether the message that is whole now commits a batch.
    fn ended(&mut self) -> bool {
        let commits = match self.kind() {
            // Sync: outside a transaction it commits.
            Some(b'S') => self.batch == Some(Batch::Statement),
            Some(b'Q') => self.body.starts_with(b"COMMIT"),
            _ => false,
        };
        if commits {
            (self.batch, self.told) = (None, false);
        }
        commits
    }

    /// Whether this is the start-up message, and not the question for TLS or GSS before it.
    fn is_start_up(&self) -> bool {
        /// `SSLRequest` and `GSSENCRequest`: there is no protocol 1234.
        const NOT_YET: [u8; 2] = 1234_u16.to_be_bytes();
        !self.started && !self.body.starts_with(&NOT_YET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn start_up() -> Vec<u8> {
        let mut bytes = message(0, &[0x04, 0xd2, 0x16, 0x2f]).split_off(1);
        bytes.extend(message(0, &[0, 3, 0, 0, b'x', 0]).split_off(1));
        bytes
    }

    /// Every place that is reached when the bytes come in pieces of that size, with the offset.
    fn places(bytes: &[u8], piece: usize) -> Vec<(At, usize)> {
        let mut frames = Frames::default();
        let mut found = Vec::new();
        for (number, bytes) in bytes.chunks(piece).enumerate() {
            if let Some((at, end)) = frames.read(bytes) {
                found.push((at, number * piece + end));
            }
        }
        found
    }

    #[test]
    fn a_small_statement_is_no_batch() {
        let mut bytes = start_up();
        bytes.extend(message(b'B', &[0; 100]));
        bytes.extend(message(b'E', &[0; 5]));
        bytes.extend(message(b'S', &[]));
        for piece in [1, 7, 10_000] {
            assert_eq!(places(&bytes, piece), [], "{piece}");
        }
    }

    #[test]
    fn a_batch_commits_with_its_sync_however_the_bytes_come() {
        let mut bytes = start_up();
        let bind = bytes.len();
        bytes.extend(message(b'B', &[0; 5_000]));
        let bound = bytes.len();
        bytes.extend(message(b'E', &[0; 5]));
        bytes.extend(message(b'S', &[]));
        for piece in [1, 3, 1_000] {
            let found = places(&bytes, piece);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[0].0, At::Middle);
            assert!((bind..bound).contains(&found[0].1), "{found:?}");
            assert_eq!(found[1], (At::Commit, bytes.len()));
        }
        assert_eq!(places(&bytes, 100_000), [(At::Commit, bytes.len())]);
    }

    #[test]
    fn a_copy_has_its_middle_after_the_first_rows_and_commits_with_the_word() {
        let mut bytes = start_up();
        bytes.extend(message(b'd', &[1; 300]));
        let middle = bytes.len();
        bytes.extend(message(b'd', &[1; 300]));
        bytes.extend(message(b'c', &[]));
        bytes.extend(message(b'Q', b"COMMIT\0"));
        assert_eq!(
            places(&bytes, 1),
            [(At::Middle, middle), (At::Commit, bytes.len())]
        );
    }
}
