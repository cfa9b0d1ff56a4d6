use super::*;
use clap::{CommandFactory as _, Parser};
use rstest::rstest;
use secrecy::ExposeSecret as _;

#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Demo {
    #[command(flatten)]
    kafka: KafkaSettings,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    ops: OpsSettings<9465>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Setup {
        /// How many. Either | or.
        #[arg(long, env = "DEMO_COUNT", default_value_t = 6)]
        count: u16,
    },
}

#[test]
fn the_table_has_a_row_for_every_variable_of_the_command_and_its_verbs() {
    let table = table(Demo::command());
    assert!(table.starts_with("| variable | flag | default | meaning |\n|---|---|---|---|\n"));
    assert!(table.contains("| `OPS_ADDR` | `--ops-addr` | `127.0.0.1:9465` |"));
    assert!(table.contains("| `DEMO_COUNT` | `--count` | `6` | How many. Either \\| or |"));
    assert!(table.contains("| `RUST_LOG` |  | `info` |"));
    assert!(
        table
            .lines()
            .all(|line| line.starts_with('|') && line.ends_with('|'))
    );
}

#[test]
fn a_readme_without_a_row_is_told_which() {
    let all = table(Demo::command());
    let readme =
        |rows: &str| format!("# Demo\n<!-- settings:begin -->\n{rows}<!-- settings:end -->\n");
    assert!(missing_from(&readme(&all), Demo::command()).is_empty());
    let row = all.lines().find(|row| row.contains("OPS_ADDR")).unwrap();
    let without = all.replace(row, "");
    assert_eq!(missing_from(&readme(&without), Demo::command()), [row]);
    assert_eq!(
        missing_from(&all, Demo::command()).len(),
        all.lines().count()
    );
}

#[test]
fn each_binary_has_its_own_ops_port() {
    #[derive(Parser)]
    struct Other {
        #[command(flatten)]
        ops: OpsSettings<9466>,
    }
    // Not parsed: the environment of whoever runs the tests may say otherwise.
    let table = table(Other::command());
    assert!(table.contains("`127.0.0.1:9466`"), "{table}");
}

#[rstest]
#[case(&["demo", "--ops-addr", "here"], Some("OPS_ADDR"))]
#[case(&["demo", "--kafka-brokers", "one:x"], Some("KAFKA_BROKERS"))]
#[case(&["demo", "--kafka-topic", "a b"], Some("KAFKA_TOPIC"))]
#[case(&["demo", "setup", "--count", "many"], Some("DEMO_COUNT"))]
#[case(&["demo", "--unknown"], None)]
fn a_bad_value_leads_to_its_variable(#[case] line: &[&str], #[case] variable: Option<&str>) {
    let error = Demo::try_parse_from(line).unwrap_err();
    assert_eq!(
        variable_at_fault(&Demo::command(), &error).as_deref(),
        variable
    );
}

#[test]
fn the_password_is_in_no_debug_text() {
    let demo = Demo::parse_from(["demo", "--database-url", "postgres://a:geheim@h/d"]);
    assert!(!format!("{demo:?}").contains("geheim"));
    assert!(
        demo.database
            .database_url
            .expose_secret()
            .contains("geheim")
    );
}

#[rstest]
#[case("127.0.0.1:19092", true)]
#[case("a:1,b:2, c:3", true)]
#[case("[::1]:9092", true)]
#[case("", false)]
#[case("a", false)]
#[case("a:1,,b:2", false)]
#[case("a:99999", false)]
fn brokers_are_a_list_of_hosts_with_ports(#[case] given: &str, #[case] good: bool) {
    assert_eq!(brokers(given).is_ok(), good);
}

#[rstest]
#[case("", "127.0.0.1", false)]
#[case("10.0.0.0/8", "10.1.2.3", true)]
#[case("10.0.0.0/8", "11.1.2.3", false)]
#[case("10.1.2.3, ::1/128", "10.1.2.3", true)]
#[case("10.1.2.3, ::1/128", "::1", true)]
#[case("10.1.2.3, ::1/128", "::ffff:10.1.2.3", true)]
#[case("10.1.2.3, ::1/128", "10.1.2.4", false)]
fn networks_stand_between_commas(#[case] text: &str, #[case] address: &str, #[case] inside: bool) {
    let networks: Networks = text.parse().unwrap();
    assert_eq!(networks.contain(address.parse().unwrap()), inside);
}

#[rstest]
#[case("here")]
#[case("10.0.0.0/33")]
#[case("10.0.0.0/8;::1")]
fn what_is_no_network_is_refused(#[case] text: &str) {
    assert!(
        text.parse::<Networks>()
            .unwrap_err()
            .contains("is no network")
    );
}
