//! A request's body: whole, not too large, and not too slow.

use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use std::time::Duration;

/// The most bytes of one event.
pub(crate) const EVENT_MAX_BYTES: usize = 32 * 1024;
/// The most bytes of a batch.
pub(super) const BATCH_MAX_BYTES: usize = 500 * 1024;
/// The most events of a batch.
pub(super) const BATCH_MAX_EVENTS: usize = 2_500;

/// How long a client may take to send a body, from its headers to its end.
const TIME_MAX: Duration = Duration::from_secs(10);
/// So much of what is too large is still read and thrown away: a client that is still sending when the
/// connection closes does not see the answer.
const DISCARDED_MAX_BYTES: u64 = 4 << 20;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// More bytes than allowed.
    TooLarge,
    /// Not all of it came in time.
    Stalled,
    /// The connection broke, or it is not HTTP.
    Broken,
}

/// Reads a body of at most `max` bytes. Waits for ten seconds at most, from its beginning to its end.
///
/// # Errors
/// Why there is none.
pub async fn read(body: Body, max: usize) -> Result<Bytes, BodyError> {
    match tokio::time::timeout(TIME_MAX, read_slowly(body, max)).await {
        Ok(read) => read,
        Err(_) => Err(BodyError::Stalled),
    }
}

async fn read_slowly(mut body: Body, max: usize) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().lower();
    if announced > max as u64 {
        if announced <= DISCARDED_MAX_BYTES {
            discard(body, 0).await;
        }
        return Err(BodyError::TooLarge);
    }
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() && first.len() <= max {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(first.len().max(usize::try_from(announced).unwrap_or(max)));
    whole.extend_from_slice(&first);
    while whole.len() <= max {
        match next_data(&mut body).await? {
            Some(more) => whole.extend_from_slice(&more),
            None => return Ok(whole.into()),
        }
    }
    discard(body, whole.len() as u64).await;
    Err(BodyError::TooLarge)
}

/// The next piece; none at the end.
async fn next_data(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        // What is no data is a trailer, which nobody asked for.
        if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn discard(mut body: Body, mut read: u64) {
    while read <= DISCARDED_MAX_BYTES {
        match next_data(&mut body).await {
            Ok(Some(data)) => read += data.len() as u64,
            Ok(None) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A body that comes in pieces and then perhaps never ends.
    struct Pieces {
        left: Vec<&'static [u8]>,
        ends: bool,
    }

    impl axum::body::HttpBody for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
            match self.left.pop() {
                Some(piece) => Poll::Ready(Some(Ok(http_body::Frame::data(piece.into())))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn pieces(left: &[&'static [u8]], ends: bool) -> Body {
        let left = left.iter().rev().copied().collect();
        Body::new(Pieces { left, ends })
    }

    #[tokio::test]
    async fn a_body_is_read_whole_up_to_its_limit() {
        assert_eq!(read(Body::empty(), 3).await, Ok(Bytes::new()));
        assert_eq!(read(Body::from("abc"), 3).await, Ok("abc".into()));
        let body = pieces(&[b"a", b"b", b"c"], true);
        assert_eq!(read(body, 3).await, Ok("abc".into()));
        assert_eq!(
            read(Body::from("abcd"), 3).await,
            Err(BodyError::TooLarge),
            "announced"
        );
        let body = pieces(&[b"ab", b"cd", b"ef"], true);
        assert_eq!(read(body, 3).await, Err(BodyError::TooLarge), "in pieces");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        assert_eq!(
            read(pieces(&[b"{"], false), 3).await,
            Err(BodyError::Stalled)
        );
    }
}
