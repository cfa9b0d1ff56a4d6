//! The consumer as the process that an operator starts, and what it says of itself while rows are written,
//! while they cannot be, and while Kafka is away.

use crate::support::until;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use service::telemetry::{check_shown, reading};
use sqlx::{ConnectOptions as _, PgPool};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TOPIC: &str = "clickstream";
const MESSAGE: &str = r#"{"username":"Ann","category":"shirt"}"#;

/// The process, killed at the latest when the test ends.
struct Process {
    child: Child,
    ops: String,
}

impl Process {
    /// Starts it and reads from its log where operators ask.
    fn start(brokers: &str, database: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_consumer"))
            // Away from the repository, so that no developer's .env is found.
            .current_dir(std::env::temp_dir())
            .env_clear()
            .envs([
                ("KAFKA_BROKERS", brokers),
                ("DATABASE_URL", database),
                ("OPS_ADDR", "127.0.0.1:0"),
            ])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let ops = lines
            .find_map(|line| {
                let (_, rest) = line.split_once("operators: http://")?;
                Some(rest.split_once('/')?.0.to_owned())
            })
            .expect("a line that says where operators ask");
        // Whoever stops reading a log stops the process that writes it. A failing test shows it.
        std::thread::spawn(move || lines.for_each(|line| println!("{line}")));
        Self { child, ops }
    }

    /// Asks; the answer's status and body.
    fn ask(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.ops).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn number(&self, name: &str, label: &str) -> f64 {
        reading::sum(&self.ask("/metrics").1, name, &[label])
    }

    async fn until_number(&self, name: &str, label: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        until(|| self.number(name, label), |number| wanted(*number)).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is(wanted: f64) -> impl Fn(f64) -> bool {
    move |number| (number - wanted).abs() < f64::EPSILON
}

fn send(producer: &BaseProducer) {
    let record = BaseRecord::to(TOPIC).payload(MESSAGE).key("Ann");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[sqlx::test(migrations = "../migrations")]
async fn an_operator_sees_how_late_the_rows_are_and_what_is_away(pool: PgPool) {
    let kafka: MockCluster<'_, DefaultProducerContext> = MockCluster::new(3).unwrap();
    kafka.create_topic(TOPIC, 1, 3).unwrap();
    let brokers = kafka.bootstrap_servers();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .create()
        .unwrap();
    for _ in 0..3 {
        send(&producer);
    }
    let url = pool.connect_options().to_url_lossy();
    let process = Process::start(&brokers, url.as_str());
    let (records, stored) = ("consumer_records_total", r#"outcome="stored""#);
    process.until_number(records, stored, is(3.0)).await;
    let (lag, partition) = ("consumer_lag_events", r#"partition="0""#);
    process.until_number(lag, partition, is(0.0)).await;
    for (count, at_least) in [
        ("consumer_batch_events_sum", 3.0),
        ("consumer_batch_events_count", 1.0),
        ("consumer_ingest_seconds_count", 1.0),
        ("consumer_end_to_end_seconds_count", 3.0),
    ] {
        assert!(process.number(count, "") >= at_least, "{count}");
    }
    until(|| process.ask("/readyz"), |(status, _)| *status == 200).await;

    // Rows cannot be written.
    let mut held = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE events")
        .execute(&mut *held)
        .await
        .unwrap();
    let sent = Instant::now();
    send(&producer);
    process.until_number(lag, partition, is(1.0)).await;
    let behind = process
        .until_number("consumer_lag_seconds", "", |seconds| seconds >= 2.0)
        .await;
    assert!(behind <= sent.elapsed().as_secs_f64(), "{behind}");
    let waited = sent.elapsed().as_secs_f64();
    held.rollback().await.unwrap();
    process.until_number(records, stored, is(4.0)).await;
    process
        .until_number("consumer_lag_seconds", "", is(0.0))
        .await;
    assert!(is(0.0)(process.number(lag, partition)));
    let way = process.number("consumer_end_to_end_seconds_sum", "");
    assert!(way >= waited - 1.0, "{way} of {waited}");
    let ways = process.number("consumer_end_to_end_seconds_count", "");
    assert!(is(4.0)(ways), "{ways}");

    // Kafka is away.
    for id in 1..=3 {
        kafka.broker_down(id).unwrap();
    }
    let away =
        |(status, body): &(u16, String)| *status == 503 && !body.contains(r#""kafka":"ready""#);
    let (_, body) = until(|| process.ask("/readyz"), away).await;
    assert!(body.contains(r#""postgres":"ready""#), "{body}");
    assert_eq!(process.ask("/livez").0, 200);
    let part = |name: &str| process.number("service_part_ready", &format!(r#"part="{name}""#));
    assert!(is(0.0)(part("kafka")) && is(1.0)(part("postgres")));
    for id in 1..=3 {
        kafka.broker_up(id).unwrap();
    }
    until(|| process.ask("/readyz"), |(status, _)| *status == 200).await;
    check_shown(&process.ask("/metrics").1, &["service", "consumer"]).unwrap();
}
