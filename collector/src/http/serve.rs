//! Serves connections with a patience that ends: a client that does not send its headers, or nothing more, or
//! does not take its answer, is let go, so that slow clients cost little and take nobody else's place.
//!
//! There is a limit to how many are open at a time. How long a body may take is `body`'s to say: a client with a slow one is answered.

use crate::connections::Connections;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From a connection's beginning, or its last answer, until the next request's headers are all there.
    /// Must be longer than a load balancer keeps idle connections (mostly 60 s), or it will now and then
    /// send a request into one that is just being closed.
    pub headers: Duration,
    /// For a client that takes nothing of an answer which is more than the connection holds.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            headers: Duration::from_secs(75),
            answer: Duration::from_secs(30),
        }
    }
}

/// The most bytes of a request's head, and of what is read of its body at a time: what a connection that says
/// little can hold.
const BUFFER_MAX_BYTES: usize = 64 * 1024;

/// Serves on `listener` until `shutdown` is cancelled, and ends when every request that was begun by then
/// is answered. At most `connections_max` connections are open at a time; others wait in the system's queue. Requests carry [`ConnectInfo`]. It does not fail; the result is what `axum::serve` has, too.
pub async fn run(
    mut listener: impl Listener<Addr = SocketAddr>,
    router: Router,
    patience: Patience,
    connections_max: u32,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(patience.headers)
        .max_buf_size(BUFFER_MAX_BYTES);
    let connections = GracefulShutdown::new();
    let mut places = Connections::new(connections_max);
    loop {
        let next = async { (places.one_more().await, listener.accept().await) };
        let Some((place, (io, peer))) = shutdown.run_until_cancelled(next).await else {
            break;
        };
        let open = place.open();
        let router = router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            // A router is always ready.
            router.clone().call(request)
        });
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(patience.answer));
        let connection = http.serve_connection(TokioIo::new(Box::pin(io)), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::trace!(%error, %peer, "a connection has ended early");
            }
            drop(open);
        });
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::time::Instant;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;

    /// Longer than anything here takes on a busy machine.
    const SOON: Duration = Duration::from_secs(20);

    /// More than a connection holds that nobody reads from.
    const LARGE: usize = 64 << 20;

    const CONNECTIONS_MAX: u32 = 3;

    async fn start(
        headers: Duration,
    ) -> (
        SocketAddr,
        CancellationToken,
        JoinHandle<std::io::Result<()>>,
    ) {
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            "slow"
        };
        let who = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let router = Router::new()
            .route("/large", get(|| async { vec![b'x'; LARGE] }))
            .route("/who", get(who))
            .route("/slow", get(slow));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let patience = Patience {
            headers,
            answer: Duration::from_millis(500),
        };
        let serving = run(
            listener,
            router,
            patience,
            CONNECTIONS_MAX,
            shutdown.clone(),
        );
        (address, shutdown, tokio::spawn(serving))
    }

    /// What comes until the other end closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        let read = stream.read_to_string(&mut text);
        tokio::time::timeout(SOON, read).await.unwrap().unwrap();
        text
    }

    #[tokio::test]
    async fn headers_that_drip_are_not_waited_for() {
        let (address, ..) = start(Duration::from_millis(300)).await;
        let began = Instant::now();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /who HTTP/1.1\r\n").await.unwrap();
        let (mut read, mut write) = stream.into_split();
        let drip = tokio::spawn(async move {
            // A letter now and then does not buy time. Writing fails once the other end is closed.
            while write.write_all(b"a").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut bytes = Vec::new();
        // A reset says the same as an end.
        let closed = tokio::time::timeout(SOON, read.read_to_end(&mut bytes)).await;
        assert!(closed.is_ok(), "still open after {:?}", began.elapsed());
        assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(&bytes));
        assert!(began.elapsed() >= Duration::from_millis(300));
        drip.await.unwrap();
    }

    #[tokio::test]
    async fn who_takes_nothing_of_an_answer_is_not_waited_for() {
        let (address, ..) = start(SOON).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n";
        stream.write_all(request).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut bytes = Vec::new();
        // A reset says the same as an end.
        let closed = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await;
        assert!(closed.is_ok() && bytes.len() < LARGE, "all of it came");

        // Who takes it, however late, gets it all.
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let (mut read, mut buffer) = (0, vec![0; 1 << 20]);
        while read < LARGE {
            tokio::time::sleep(Duration::from_millis(5)).await;
            read += stream.read(&mut buffer).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_request_and_not_for_ever() {
        let (address, ..) = start(Duration::from_millis(500)).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let own = stream.local_addr().unwrap().to_string();
        for _ in 0..2 {
            let request = b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut answer = [0; 1024];
            let length = stream.read(&mut answer).await.unwrap();
            let answer = std::str::from_utf8(&answer[..length]).unwrap();
            assert!(answer.ends_with(&own), "{answer}");
        }
        assert_eq!(rest(&mut stream).await, "");
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_until_another_has_ended() {
        let (address, shutdown, serving) = start(SOON).await;
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n";
            stream.write_all(request).await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            open.push(stream);
        }
        let mut waits = TcpStream::connect(address).await.unwrap();
        let request = b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        waits.write_all(request).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_millis(300), waits.readable());
        assert!(answer.await.is_err(), "it was not taken");
        drop(open.pop());
        let own = waits.local_addr().unwrap().to_string();
        assert!(rest(&mut waits).await.ends_with(&own));
        // Who waits for a place does not keep it from ending.
        let _too_many = [
            TcpStream::connect(address).await.unwrap(),
            TcpStream::connect(address).await.unwrap(),
        ];
        shutdown.cancel();
        let ended = tokio::time::timeout(SOON, serving).await.unwrap();
        ended.unwrap().unwrap();
    }

    #[tokio::test]
    async fn told_to_stop_it_answers_what_was_begun() {
        let (address, shutdown, serving) = start(SOON).await;
        let mut idle = TcpStream::connect(address).await.unwrap();
        let mut busy = TcpStream::connect(address).await.unwrap();
        let request = b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
        busy.write_all(request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        shutdown.cancel();
        assert!(rest(&mut busy).await.ends_with("slow"));
        assert_eq!(rest(&mut idle).await, "");
        tokio::time::timeout(SOON, serving)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
