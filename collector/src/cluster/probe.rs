//! A broker's sign of life: the answer to the smallest request there is.
//!
//! `ApiVersions` version 0 is answered by every broker of every version, before any sign-in, from memory
//! (Kafka's protocol guide, "Retrieving Supported API versions"). It asks for no topic and no other broker,
//! so it tells of this one alone. Connecting would not be enough: the kernel accepts for a frozen process.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the broker's log would call us.
const CLIENT_ID: &[u8; 15] = b"clickshop-probe";
/// The longest answer that is read: some hundred request types of six bytes each.
const ANSWER_MAX_BYTES: usize = 64 * 1024;

/// A connection to one broker, kept between two questions.
#[derive(Debug)]
pub(super) struct Line {
    address: String,
    stream: Option<TcpStream>,
    /// Numbers the questions; an answer repeats its question's number.
    asked: i32,
}

impl Line {
    /// No connection yet. `address` is `host:port`.
    pub fn new(address: String) -> Self {
        Self {
            address,
            stream: None,
            asked: 0,
        }
    }

    /// Whom it leads to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks, and waits at most `limit`; an error says in words what is wrong.
    pub async fn ask(&mut self, limit: Duration) -> Result<(), String> {
        match tokio::time::timeout(limit, self.ask_kept_or_new()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Err("nobody listens there".to_owned())
            }
            Ok(Err(error)) => Err(format!("the connection fails: {error}")),
            Err(_) => Err(format!(
                "accepts connections at best, and does not answer within {} ms",
                limit.as_millis()
            )),
        }
    }

    /// A kept connection may have been closed for its age; a new one tells the truth.
    async fn ask_kept_or_new(&mut self) -> io::Result<()> {
        let kept = self.stream.is_some();
        match self.exchange().await {
            Err(_) if kept => self.exchange().await,
            done => done,
        }
    }

    /// One question and its answer. On failure, and when dropped, the connection is gone.
    async fn exchange(&mut self) -> io::Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.address).await?,
        };
        self.asked = self.asked.wrapping_add(1);
        stream.write_all(&question(self.asked)).await?;
        let length = usize::try_from(stream.read_i32().await?)
            .ok()
            .filter(|length| (4..=ANSWER_MAX_BYTES).contains(length))
            .ok_or_else(|| invalid("no answer of Kafka's protocol"))?;
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer).await?;
        if !answer.starts_with(&self.asked.to_be_bytes()) {
            return Err(invalid("an answer to another question"));
        }
        self.stream = Some(stream);
        Ok(())
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// The request as bytes: length, then key, version, number and client id (a request header of version 1).
fn question(number: i32) -> Vec<u8> {
    const API_VERSIONS: i16 = 18;
    const VERSION: i16 = 0;
    const CLIENT_ID_BYTES: i16 = 15;
    const BYTES: i32 = 2 + 2 + 4 + 2 + 15;
    let mut bytes = Vec::with_capacity(32);
    bytes.extend_from_slice(&BYTES.to_be_bytes());
    bytes.extend_from_slice(&API_VERSIONS.to_be_bytes());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&CLIENT_ID_BYTES.to_be_bytes());
    bytes.extend_from_slice(CLIENT_ID);
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rstest::rstest;
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    const LIMIT: Duration = Duration::from_millis(300);

    /// What a listener does with each question.
    #[derive(Clone, Copy)]
    pub enum Kind {
        Answers,
        AnswersOnceAConnection,
        Silent,
        Talks(&'static [u8]),
    }

    /// A listener of that kind, and its address.
    pub async fn listener(kind: Kind) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, kind));
            }
        });
        address
    }

    async fn serve(mut stream: TcpStream, kind: Kind) -> io::Result<()> {
        loop {
            let length = usize::try_from(stream.read_i32().await?).unwrap();
            let mut question = vec![0; length];
            stream.read_exact(&mut question).await?;
            match kind {
                Kind::Silent => std::future::pending().await,
                Kind::Talks(bytes) => stream.write_all(bytes).await?,
                Kind::Answers | Kind::AnswersOnceAConnection => {
                    stream.write_all(&answer_to(&question)).await?;
                }
            }
            if matches!(kind, Kind::AnswersOnceAConnection) {
                return Ok(());
            }
        }
    }

    fn answer_to(question: &[u8]) -> Vec<u8> {
        let mut answer = 10_i32.to_be_bytes().to_vec();
        answer.extend_from_slice(&question[4..8]);
        answer.extend_from_slice(&[0; 6]);
        answer
    }

    /// How a listener ends that has answered until then.
    #[derive(Debug, Clone, Copy)]
    pub enum Death {
        /// As by SIGSTOP: its kernel goes on accepting.
        Freezes,
        /// As by SIGKILL: nobody listens any more, and connections end.
        Closes,
    }

    /// What a listener's life hangs on.
    pub struct Life {
        alive: watch::Sender<bool>,
        answered: watch::Receiver<()>,
    }

    impl Life {
        /// Waits until it has answered once more.
        pub async fn until_answered(&mut self) {
            self.answered.mark_unchanged();
            self.answered.changed().await.unwrap();
        }

        /// Ends it, in its way.
        pub fn end(&self) {
            self.alive.send_replace(false);
        }

        /// Lets one that is frozen go on.
        pub fn go_on(&self) {
            self.alive.send_replace(true);
        }
    }

    /// A listener that answers until its end, and its address.
    pub async fn mortal(death: Death) -> (String, Life) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (alive, mut lives) = watch::channel(true);
        let (answers, answered) = watch::channel(());
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    _ = lives.wait_for(|alive| !alive), if matches!(death, Death::Closes) => return,
                };
                let (stream, _) = accepted.unwrap();
                tokio::spawn(serve_for_life(
                    stream,
                    death,
                    lives.clone(),
                    answers.clone(),
                ));
            }
        });
        (address, Life { alive, answered })
    }

    async fn serve_for_life(
        mut stream: TcpStream,
        death: Death,
        mut lives: watch::Receiver<bool>,
        answers: watch::Sender<()>,
    ) -> io::Result<()> {
        let mut ends = lives.clone();
        let answering = async {
            loop {
                let length = usize::try_from(stream.read_i32().await?).unwrap();
                let mut question = vec![0; length];
                stream.read_exact(&mut question).await?;
                let _ = lives.wait_for(|alive| *alive).await;
                stream.write_all(&answer_to(&question)).await?;
                answers.send_replace(());
            }
        };
        match death {
            Death::Freezes => answering.await,
            Death::Closes => tokio::select! {
                answered = answering => answered,
                _ = ends.wait_for(|alive| !alive) => Ok(()),
            },
        }
    }

    #[rstest]
    #[case(Kind::Answers)]
    #[case(Kind::AnswersOnceAConnection)]
    #[tokio::test]
    async fn a_broker_that_answers_lives(#[case] kind: Kind) {
        let mut line = Line::new(listener(kind).await);
        for _ in 0..3 {
            assert_eq!(line.ask(LIMIT).await, Ok(()));
        }
    }

    #[rstest]
    #[case(Kind::Silent, "does not answer within 300 ms")]
    #[case(Kind::Talks(b"HTTP/1.1 400 Bad Request\r\n"), "no answer of Kafka's")]
    #[case(Kind::Talks(&[0, 0, 0, 4, 9, 9, 9, 9]), "another question")]
    #[tokio::test]
    async fn whoever_only_accepts_does_not(#[case] kind: Kind, #[case] why: &str) {
        let mut line = Line::new(listener(kind).await);
        let problem = line.ask(LIMIT).await.unwrap_err();
        assert!(problem.contains(why), "{problem}");
    }

    #[tokio::test]
    async fn a_closed_port_is_said_in_words() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let problem = Line::new(address).ask(LIMIT).await;
        assert_eq!(problem, Err("nobody listens there".to_owned()));
    }
}
