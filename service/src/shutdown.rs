//! One token that ends everything: the first SIGTERM or SIGINT asks for an orderly end, a second one
//! ends at once, or is patient with what has to be taken down. Requests that are under way then are
//! answered, but nobody waits for them without end.

use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long requests may take to be answered once the process is told to stop.
pub const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// A token that is cancelled by SIGTERM or SIGINT; the second of them ends the process at once. Call it
/// once, inside a tokio runtime.
///
/// Returns an error when the signal handlers cannot be set.
pub fn token() -> anyhow::Result<CancellationToken> {
    listen(|name, code| {
        tracing::warn!("{name} again: ending at once");
        std::process::exit(code);
    })
}

/// The same for a process that has others to take down, which would outlive it: it ends when that is done,
/// however often it is told.
///
/// Returns an error when the signal handlers cannot be set.
pub fn patient_token() -> anyhow::Result<CancellationToken> {
    listen(|name, _| tracing::warn!("{name} again: still taking down what was brought up"))
}

/// Cancels the token at the first signal; what is done at each later one gets its name and exit code.
fn listen(again: impl Fn(&str, i32) + Send + 'static) -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let ours = token.clone();
    tokio::spawn(async move {
        loop {
            let (name, code) = tokio::select! {
                _ = terminate.recv() => ("SIGTERM", 143),
                _ = interrupt.recv() => ("SIGINT", 130),
            };
            if ours.is_cancelled() {
                again(name, code);
            } else {
                tracing::info!("{name}: finishing what is begun, then ending");
                ours.cancel();
            }
        }
    });
    Ok(token)
}

/// Waits for a server that ends once `stop` is cancelled and its last requests are answered, which is
/// what axum calls a graceful shutdown; for those requests at most `grace`.
///
/// Returns the error of a server that fails; requests that take longer are none, and are logged.
pub async fn served<E>(
    serving: impl IntoFuture<Output = Result<(), E>>,
    stop: &CancellationToken,
    grace: Duration,
) -> Result<(), E> {
    let over = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        ended = serving.into_future() => ended,
        () = over => {
            tracing::warn!("some requests were not answered within {grace:?}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use rstest::rstest;
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Notify;
    use tokio::time::timeout;

    /// Everything that is waited for here happens within this.
    const SOON: Duration = Duration::from_secs(10);

    /// A server whose one page is answered when `done` says so, and a request that has reached it.
    async fn asked(
        stop: &CancellationToken,
        done: &Arc<Notify>,
        grace: Duration,
    ) -> (tokio::task::JoinHandle<std::io::Result<()>>, TcpStream) {
        let begun = Arc::new(Notify::new());
        let page = {
            let (begun, done) = (Arc::clone(&begun), Arc::clone(done));
            move || async move {
                begun.notify_one();
                done.notified().await;
                "done"
            }
        };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let serving = axum::serve(listener, Router::new().route("/", get(page)))
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let stop = stop.clone();
        let server = tokio::spawn(async move { served(serving, &stop, grace).await });
        let mut visitor = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
        visitor.write_all(request).await.unwrap();
        timeout(SOON, begun.notified()).await.unwrap();
        (server, visitor)
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_before_the_server_ends() {
        let (stop, done) = (CancellationToken::new(), Arc::default());
        let (server, mut visitor) = asked(&stop, &done, SOON).await;
        stop.cancel();
        tokio::task::yield_now().await;
        assert!(!server.is_finished());
        done.notify_one();
        let mut answer = String::new();
        let read = visitor.read_to_string(&mut answer);
        timeout(SOON, read).await.unwrap().unwrap();
        assert!(answer.ends_with("done"), "{answer}");
        timeout(SOON, server).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_does_not_hold_up_the_end() {
        let (stop, never) = (CancellationToken::new(), Arc::default());
        let (server, _visitor) = asked(&stop, &never, Duration::from_millis(20)).await;
        stop.cancel();
        timeout(SOON, server).await.unwrap().unwrap().unwrap();
    }

    #[rstest]
    #[case(true)]
    #[case(false)]
    #[tokio::test]
    async fn a_server_that_fails_says_so(#[case] told_to_stop: bool) {
        let stop = CancellationToken::new();
        if told_to_stop {
            stop.cancel();
        }
        let failing = std::future::ready(Err(std::io::Error::from(ErrorKind::OutOfMemory)));
        let ended = timeout(SOON, served(failing, &stop, SOON)).await.unwrap();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::OutOfMemory);
    }
}
