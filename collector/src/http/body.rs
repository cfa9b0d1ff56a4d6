//! A request's body: whole, not too large, not too slow, and only when there is room for it.

use crate::Collector;
use crate::intake::{Intake, Share};
use axum::body::{Body, Bytes, HttpBody as _};
use http_body_util::BodyExt as _;
use std::ops::Deref;
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
    /// There is no room for it.
    Busy,
}

/// A body that was read, and its share of the room: to be held until it is answered.
#[derive(Debug)]
pub struct Taken {
    bytes: Bytes,
    share: Share,
}

impl Deref for Taken {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Taken {
    /// Its bytes, which the share does not follow: keep this until they are answered.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The same, with what `unpack` makes of its bytes.
    pub(super) fn unpacked<E>(
        self,
        unpack: impl FnOnce(Bytes) -> Result<Bytes, E>,
    ) -> Result<Self, E> {
        let Self { bytes, mut share } = self;
        let bytes = unpack(bytes)?;
        share.shrink(bytes.len());
        Ok(Self { bytes, share })
    }
}

/// Reads the body of a form of the shop, which has the same room and the same time as any other.
///
/// # Errors
/// Why there is none.
pub async fn read_form(collector: &Collector, body: Body, max: usize) -> Result<Taken, BodyError> {
    read(collector.intake(), body, max).await
}

/// Reads a body of at most `max` bytes. Waits for ten seconds at most, from its beginning to its end.
///
/// # Errors
/// Why there is none.
pub(super) async fn read(intake: &Intake, body: Body, max: usize) -> Result<Taken, BodyError> {
    let announced = body.size_hint().exact();
    let counted = announced.map_or(max, |bytes| usize::try_from(bytes).unwrap_or(max));
    let mut taken = read_as(intake, body, max, counted).await?;
    taken.share.shrink(taken.bytes.len());
    Ok(taken)
}

/// The same of a body that may be packed: there is room for `max` bytes until it is [unpacked](Taken::unpacked).
pub(super) async fn read_packed(
    intake: &Intake,
    body: Body,
    max: usize,
) -> Result<Taken, BodyError> {
    read_as(intake, body, max, max).await
}

async fn read_as(
    intake: &Intake,
    body: Body,
    max: usize,
    counted: usize,
) -> Result<Taken, BodyError> {
    if body.size_hint().lower() > max as u64 {
        pass_over(body).await;
        return Err(BodyError::TooLarge);
    }
    let Ok(share) = intake.admit(counted).await else {
        pass_over(body).await;
        return Err(BodyError::Busy);
    };
    match tokio::time::timeout(TIME_MAX, read_slowly(body, max)).await {
        Ok(read) => Ok(Taken {
            bytes: read?,
            share,
        }),
        Err(_) => Err(BodyError::Stalled),
    }
}

/// Reads a body that nobody wants and keeps nothing of it: a client that is still sending when the connection closes
/// does not see the answer. One that is longer than clients send by mistake, or slower, is not waited for.
pub(super) async fn pass_over(body: Body) {
    if body.size_hint().lower() <= DISCARDED_MAX_BYTES {
        // Whether it came to its end makes no difference.
        let _ = tokio::time::timeout(TIME_MAX, discard(body, 0)).await;
    }
}

async fn read_slowly(mut body: Body, max: usize) -> Result<Bytes, BodyError> {
    let announced = body.size_hint().lower();
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
    let read = whole.len() as u64;
    drop(whole);
    discard(body, read).await;
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
    use crate::intake::IntakeLimits;
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

    async fn read(body: Body, max: usize) -> Result<Bytes, BodyError> {
        let intake = Intake::new(IntakeLimits::default());
        let taken = super::read(&intake, body, max).await;
        taken.map(|taken| taken.bytes)
    }

    /// Room for three bodies of 500 KiB.
    fn narrow() -> Intake {
        Intake::new(IntakeLimits {
            bytes: 8 << 20,
            wait: Duration::from_millis(50),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_room_before_it_is_read_and_until_it_is_answered() {
        let intake = narrow();
        let announced = super::read(&intake, Body::from("abc"), BATCH_MAX_BYTES).await;
        let of_three = intake.used_bytes();
        assert!((1..8192).contains(&of_three), "{of_three}");
        // One of which nobody knows the length counts as the longest, until it is read.
        {
            let endless = super::read(&intake, pieces(&[b"{"], false), BATCH_MAX_BYTES);
            let reading = tokio::time::timeout(Duration::from_secs(1), endless);
            assert!(reading.await.is_err());
        }
        let (reading, ()) = tokio::join!(
            super::read(&intake, pieces(&[b"abc"], false), BATCH_MAX_BYTES),
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                assert!(intake.used_bytes() > 4 * BATCH_MAX_BYTES);
            }
        );
        assert_eq!(reading.map(|taken| taken.bytes), Err(BodyError::Stalled));
        assert_eq!(intake.used_bytes(), of_three, "given back");
        let in_pieces = super::read(&intake, pieces(&[b"a", b"bc"], true), BATCH_MAX_BYTES).await;
        assert_eq!(intake.used_bytes(), 2 * of_three);
        let packed = super::read_packed(&intake, Body::from("abc"), BATCH_MAX_BYTES).await;
        assert!(intake.used_bytes() > 4 * BATCH_MAX_BYTES);
        let unpacked = packed.unwrap().unpacked(Ok::<_, BodyError>).unwrap();
        assert_eq!(intake.used_bytes(), 3 * of_three);
        drop((announced, in_pieces, unpacked));
        assert_eq!(intake.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_a_body_is_passed_over() {
        let intake = narrow();
        let mut held = Vec::new();
        while let Ok(share) = intake.admit(BATCH_MAX_BYTES).await {
            held.push(share);
        }
        let large = || Body::from(vec![b'x'; BATCH_MAX_BYTES]);
        let refused = super::read(&intake, large(), BATCH_MAX_BYTES).await;
        assert_eq!(refused.map(|taken| taken.bytes), Err(BodyError::Busy));
        held.pop();
        let taken = super::read(&intake, large(), BATCH_MAX_BYTES).await;
        assert_eq!(taken.unwrap().len(), BATCH_MAX_BYTES);
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
