//! A client's connection, which the calls that come through it have in common.

use super::counts::Seat;
use crate::connections::{Connections, Open};
use futures::stream::{self, Stream};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// How long a client may take to say that it speaks HTTP/2 …
const GREETING_WITHIN: Duration = Duration::from_secs(10);
/// … which takes so many bytes (RFC 9113, section 3.4).
const GREETING_BYTES: usize = 24;

/// A moment for whatever is short to be given back, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The connections that are made to `listener`, for ever, as far as there is a place for them.
pub(super) fn incoming(
    listener: TcpListener,
    connections: Connections,
) -> impl Stream<Item = io::Result<Connection>> {
    stream::unfold(
        (listener, connections),
        |(listener, mut places)| async move {
            let place = places.one_more().await;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let connection = Connection::new(stream, place.open());
                        return Some((Ok(connection), (listener, places)));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection for gRPC could not be taken");
                        sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        },
    )
}

/// One connection, and the place that its client has at the counters.
pub(super) struct Connection {
    stream: TcpStream,
    seat: Seat,
    /// Until the client has greeted.
    deadline: Option<Pin<Box<Sleep>>>,
    greeted: usize,
    _open: Open,
}

impl Connection {
    fn new(stream: TcpStream, open: Open) -> Self {
        // An answer is one small packet; nothing is gained by waiting for a second one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection that has gone already");
        }
        Self {
            seat: Seat::new(stream.peer_addr().ok().map(|peer| peer.ip())),
            stream,
            deadline: Some(Box::pin(sleep(GREETING_WITHIN))),
            greeted: 0,
            _open: open,
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Seat;

    fn connect_info(&self) -> Seat {
        self.seat.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        let Some(deadline) = &mut self.deadline else {
            return read;
        };
        if read.is_pending() && deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.greeted += into.filled().len() - before;
        if self.greeted >= GREETING_BYTES {
            self.deadline = None;
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn connected() -> (TcpStream, Connection) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let open = Connections::new(1).one_more().await.open();
        (client.unwrap(), Connection::new(accepted.unwrap().0, open))
    }

    #[tokio::test]
    async fn one_too_many_is_not_taken_before_another_has_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = Box::pin(incoming(listener, Connections::new(1)));
        let _clients = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        let first = incoming.next().await.unwrap().unwrap();
        let second = tokio::time::timeout(Duration::from_millis(200), incoming.next());
        assert!(second.await.is_err(), "it was not taken");
        drop(first);
        let second = tokio::time::timeout(Duration::from_secs(20), incoming.next()).await;
        assert!(second.unwrap().unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        let (mut client, mut connection) = connected().await;
        client.write_all(b"PRI * HTTP").await.unwrap();
        let mut bytes = [0; GREETING_BYTES];
        let error = connection.read_exact(&mut bytes).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_greeted_may_be_silent() {
        let (mut client, mut connection) = connected().await;
        client.write_all(&[b'x'; GREETING_BYTES]).await.unwrap();
        let mut bytes = [0; GREETING_BYTES];
        connection.read_exact(&mut bytes).await.unwrap();
        let reading = tokio::time::timeout(10 * GREETING_WITHIN, connection.read(&mut bytes));
        assert!(reading.await.is_err(), "still open");
    }
}
